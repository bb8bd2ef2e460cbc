// `node eventsource-parser.mjs URL QUESTION` reads the envelope by the parser that browsers' polyfills use.
import { createParser } from "eventsource-parser";
import { asked, chatBody, say } from "./pieces.mjs";

const question = asked();
const answer = await fetch(`${question.url}/v1/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json", "x-stream-format": "envelope-v1" },
  body: chatBody(question),
});
const parser = createParser({
  onEvent: ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.type === "chunk") say({ text: frame.data.content });
    if (frame.type === "error") throw new Error(frame.data.message);
    const call = frame.data.tool_call;
    if (call) say({ call: [call.name, JSON.stringify(call.arguments)] });
  },
});
const decoder = new TextDecoder();
for await (const bytes of answer.body) parser.feed(decoder.decode(bytes, { stream: true }));
