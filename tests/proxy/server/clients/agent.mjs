// Node's own client, keep-alive: several requests on one socket; prints what it saw as JSON.
import http from 'node:http'

const port = process.argv[2]
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
const sockets = new Set()

function ask (method, path, headers, parts) {
  return new Promise((resolve, reject) => {
    const asked = http.request({ port, host: '127.0.0.1', method, path, headers, agent }, answer => {
      const body = []
      answer.on('data', part => body.push(part))
      answer.on('end', () => resolve({ status: answer.statusCode, body: Buffer.concat(body).toString() }))
    })
    asked.on('error', reject)
    asked.on('socket', socket => sockets.add(socket))
    if (headers.Expect) {
      asked.on('continue', () => asked.end(parts[0]))
      asked.flushHeaders()
    } else {
      for (const part of parts) asked.write(part)
      asked.end()
    }
  })
}

const seen = []
seen.push(await ask('GET', '/get', {}, []))
seen.push(await ask('POST', '/length', { 'Content-Length': 5 }, ['hello']))
seen.push(await ask('POST', '/chunked', {}, ['he', 'llo']))
seen.push(await ask('POST', '/expect', { Expect: '100-continue', 'Content-Length': 5 }, ['hello']))
seen.push(await ask('HEAD', '/head', {}, []))
console.log(JSON.stringify({ sockets: sockets.size, seen }))
agent.destroy()
