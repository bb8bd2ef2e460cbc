// `node ai.mjs URL QUESTION`: the Vercel AI SDK with an OpenAI-compatible provider, a piece of the answer a line.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { jsonSchema, streamText, tool } from "ai";
import { CITY, WEATHER, asked, say } from "./pieces.mjs";

const { url, model, prompt, tools } = asked();
const provider = createOpenAICompatible({ name: "sidecar", baseURL: `${url}/v1`, apiKey: "none" });
const { fullStream } = streamText({
  model: provider(model),
  prompt,
  maxRetries: 0,
  ...(tools ? { tools: { get_weather: tool({ description: WEATHER.description, inputSchema: jsonSchema(CITY) }) } } : {}),
});
for await (const part of fullStream) {
  if (part.type === "error") throw part.error;
  if (part.type === "text-delta") say({ text: part.text });
  if (part.type === "tool-call") say({ call: [part.toolName, JSON.stringify(part.input)] });
}
