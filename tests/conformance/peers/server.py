"""The peers' server on Python's http.server. See test_peers.py for what all of them answer."""

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 by hand, as http.server leaves it to be."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def say(self, status: int, body: bytes = b"", *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self) -> None:
        body = self.body() if self.path != "/refuse" else b""
        match self.path:
            case "/length":
                self.say(200, b"hello", ("X-Multi", "a"), ("X-Multi", "b"))
            case "/chunks" | "/trailers":
                self.chunks("X-Sum: 1\r\n" if self.path == "/trailers" else "")
            case "/nothing":
                self.say(204)
            case "/same":
                self.say(304, b"", ("ETag", '"1"'))
            case "/close":
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(b"until the close")
                self.close_connection = True
            case "/hints":
                self.send_response_only(103)
                self.end_headers()
                self.say(200, b"hinted")
            case "/echo":
                self.say(200, f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode())
            case "/method":
                self.say(200, self.command.encode())
            case "/refuse":
                self.close_connection = True
                self.say(413, b"too large", ("Connection", "close"))
            case _:
                self.say(404, b"no")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def chunks(self, trailer: str) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(20):
            self.wfile.write(b"9\r\npiece %02d\n\r\n" % number)
            self.wfile.flush()
        self.wfile.write(f"0\r\n{trailer}\r\n".encode())

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *args: object) -> None:
        """Nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_address[1], flush=True)
server.serve_forever()
