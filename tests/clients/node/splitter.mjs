// `node splitter.mjs URL QUESTION` reads OpenAI's chunks as hand-written readers do: every block must begin with `data: `.
import { asked, chatBody, say } from "./pieces.mjs";

const question = asked();
const answer = await fetch(`${question.url}/v1/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: chatBody(question),
});
let rest = "";
const decoder = new TextDecoder();
const calls = [];
for await (const bytes of answer.body) {
  const blocks = (rest + decoder.decode(bytes, { stream: true })).split("\n\n");
  rest = blocks.pop();
  for (const block of blocks) {
    if (!block.startsWith("data: ")) throw new Error(`not a data block: ${block}`);
    if (block === "data: [DONE]") continue;
    const delta = JSON.parse(block.slice(6)).choices[0]?.delta ?? {};
    if (delta.content) say({ text: delta.content });
    for (const { index, function: call } of delta.tool_calls ?? []) {
      calls[index] ??= [call.name, ""];
      calls[index][1] += call.arguments ?? "";
    }
  }
}
for (const call of calls) say({ call });
