// `node ollama.mjs URL QUESTION` prints a piece of the answer a line.
import { Ollama } from "ollama";
import { OPENAI_TOOL, asked, say } from "./pieces.mjs";

const { url, model, prompt, tools } = asked();
const stream = await new Ollama({ host: url }).chat({
  model,
  messages: [{ role: "user", content: prompt }],
  tools: tools ? [OPENAI_TOOL] : undefined,
  stream: true,
});
for await (const { message } of stream) {
  if (message.content) say({ text: message.content });
  for (const call of message.tool_calls ?? []) {
    say({ call: [call.function.name, JSON.stringify(call.function.arguments)] });
  }
}
