// `node openai.mjs URL BODY` prints a chunk a line; SIGTERM is its user's Stop.
import OpenAI from "openai";

const [url, body] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const stream = await client.chat.completions.create(JSON.parse(body));
process.on("SIGTERM", () => stream.controller.abort());
for await (const chunk of stream) process.stdout.write(`${JSON.stringify(chunk)}\n`);
