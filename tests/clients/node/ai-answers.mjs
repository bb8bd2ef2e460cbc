// `node ai-answers.mjs URL MODEL...`: what the Vercel AI SDK makes of each model's answer, a line each.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { streamText } from "ai";
import { say } from "./pieces.mjs";

const [url, ...models] = process.argv.slice(2);
const provider = createOpenAICompatible({ name: "sidecar", baseURL: `${url}/v1`, apiKey: "none", includeUsage: true });
for (const model of models) {
  const said = { model, text: "", reasoning: "", calls: [], finish: "", usage: null, error: "" };
  const { fullStream } = streamText({ model: provider(model), prompt: "Go on.", maxRetries: 0, onError: () => {} });
  for await (const part of fullStream) {
    if (part.type === "text-delta") said.text += part.text;
    if (part.type === "reasoning-delta") said.reasoning += part.text;
    if (part.type === "tool-call") said.calls.push([part.toolCallId, part.toolName, part.input]);
    if (part.type === "error") said.error ||= part.error?.message ?? String(part.error?.error?.message ?? part.error);
    if (part.type === "finish") {
      said.finish = part.finishReason;
      said.usage = [part.totalUsage.inputTokens, part.totalUsage.outputTokens];
    }
  }
  say(said);
}
