// The peers' server on Node's http. See test_peers.py for what all of them answer.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const say = (res, status, body = "", headers = {}) =>
  res.writeHead(status, { ...headers, ...(status === 204 || status === 304 ? {} : { "Content-Length": body.length }) }).end(body);

const chunks = (res, trailer) => {
  res.writeHead(200, trailer ? { Trailer: "X-Sum" } : {});
  let number = 0;
  const next = () => {
    if (number === 20) {
      if (trailer) res.addTrailers({ "X-Sum": "1" });
      return res.end();
    }
    res.write(`piece ${String(number++).padStart(2, "0")}\n`, next);
  };
  next();
};

const server = createServer(async (req, res) => {
  if (req.url === "/refuse") return say(res, 413, "too large", { Connection: "close" });
  const hash = createHash("sha256");
  let length = 0;
  for await (const part of req) {
    hash.update(part);
    length += part.length;
  }
  switch (req.url) {
    case "/length": return say(res, 200, "hello", { "X-Multi": ["a", "b"] });
    case "/chunks": return chunks(res, false);
    case "/trailers": return chunks(res, true);
    case "/nothing": return say(res, 204);
    case "/same": return say(res, 304, "", { ETag: '"1"' });
    case "/close":
      res.useChunkedEncodingByDefault = false;
      res.shouldKeepAlive = false;
      res.writeHead(200, { Connection: "close" });
      return res.end("until the close");
    case "/hints":
      return res.writeEarlyHints({ link: "</a>; rel=preload" }, () => say(res, 200, "hinted"));
    case "/echo": return say(res, 200, `${length} ${hash.digest("hex")}`);
    case "/method": return say(res, 200, req.method);
    default: return say(res, 404, "no");
  }
});
server.listen(0, "127.0.0.1", () => console.log("port", server.address().port));
