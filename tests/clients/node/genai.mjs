// `node genai.mjs URL QUESTION` prints a piece of the answer a line.
import { GoogleGenAI } from "@google/genai";
import { CITY, WEATHER, asked, say } from "./pieces.mjs";

const { url, model, prompt, tools } = asked();
const client = new GoogleGenAI({ apiKey: "none", httpOptions: { baseUrl: url } });
const declared = [{ functionDeclarations: [{ ...WEATHER, parameters: CITY }] }];
const stream = await client.models.generateContentStream({
  model,
  contents: prompt,
  config: tools ? { tools: declared } : {},
});
for await (const answer of stream) {
  for (const part of answer.candidates?.[0]?.content?.parts ?? []) {
    if (part.functionCall) say({ call: [part.functionCall.name, JSON.stringify(part.functionCall.args)] });
    else if (part.text && !part.thought) say({ text: part.text });
  }
}
