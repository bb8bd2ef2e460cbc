// The peers' client on Node's http, with a keep-alive agent. Prints what it was answered.
import { Agent, request } from "node:http";

const [host, port] = process.argv[2].split(":");
const big = Buffer.from("0123456789abcdef".repeat(64 << 10));
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

const ask = (method, path, body) =>
  new Promise((resolve, reject) => {
    const headers = body === undefined || body === "pieces" ? {} : { "Content-Length": body.length };
    const req = request({ host, port, method, path, agent, headers }, async (res) => {
      let text = "";
      for await (const part of res) text += part;
      const length = method === "HEAD" ? res.headers["content-length"] : "";
      resolve([method, path, res.statusCode, text, res.headers["x-multi"] ?? null, length]);
    });
    req.on("error", reject);
    if (body === "pieces") for (let at = 0; at < big.length; at += 10_000) req.write(big.subarray(at, at + 10_000));
    else if (body !== undefined) req.write(body);
    req.end();
  });

for (const [method, path, body] of [
  ["GET", "/length"],
  ["GET", "/chunks"],
  ["HEAD", "/length"],
  ["GET", "/trailers"],
  ["GET", "/nothing"],
  ["GET", "/same"],
  ["GET", "/hints"],
  ["POST", "/echo", "{}"],
  ["POST", "/echo", big],
  ["POST", "/echo", "pieces"],
  ["PUT", "/method", "x"],
  ["DELETE", "/method"],
  ["GET", "/missing"],
  ["GET", "/close"],
  ["POST", "/refuse", "{}"],
  ["GET", "/length"],
]) console.log(JSON.stringify(await ask(method, path, body)));
agent.destroy();
