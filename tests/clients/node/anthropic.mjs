// `node anthropic.mjs URL QUESTION` prints a piece of the answer a line.
import Anthropic from "@anthropic-ai/sdk";
import { CITY, WEATHER, asked, say } from "./pieces.mjs";

const { url, model, prompt, tools } = asked();
const client = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
const stream = client.messages.stream({
  model,
  max_tokens: 8192,
  messages: [{ role: "user", content: prompt }],
  ...(tools ? { tools: [{ ...WEATHER, input_schema: CITY }] } : {}),
});
stream.on("text", (text) => say({ text }));
stream.on("contentBlock", (block) => {
  if (block.type === "tool_use") say({ call: [block.name, JSON.stringify(block.input)] });
});
await stream.finalMessage();
