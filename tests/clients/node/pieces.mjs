// What the clients share: the question, and how a piece of the answer is told.
export const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const WEATHER = { name: "get_weather", description: "The weather in a city" };
export const OPENAI_TOOL = { type: "function", function: { ...WEATHER, parameters: CITY } };

export function asked() {
  const [url, question] = process.argv.slice(2);
  return { url, ...JSON.parse(question) };
}

export function say(piece) {
  process.stdout.write(`${JSON.stringify(piece)}\n`);
}

export function chatBody({ model, prompt, tools }) {
  return JSON.stringify({
    model,
    stream: true,
    messages: [{ role: "user", content: prompt }],
    ...(tools ? { tools: [OPENAI_TOOL] } : {}),
  });
}
