"""The peers' client on Python's http.client, on one connection while it lasts. Prints what it was answered."""

import http.client
import json
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

BIG = b"0123456789abcdef" * (64 << 10)


def pieces() -> Iterator[bytes]:
    for at in range(0, len(BIG), 10_000):
        yield BIG[at : at + 10_000]


REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/length", None),
    ("GET", "/chunks", None),
    ("HEAD", "/length", None),
    ("GET", "/trailers", None),
    ("GET", "/nothing", None),
    ("GET", "/same", None),
    # not /hints: http.client takes a 103 for the answer
    ("POST", "/echo", b"{}"),
    ("POST", "/echo", BIG),
    ("POST", "/echo", "pieces"),
    ("PUT", "/method", b"x"),
    ("DELETE", "/method", None),
    ("GET", "/missing", None),
    ("GET", "/close", None),
    ("POST", "/refuse", b"{}"),
    ("GET", "/length", None),
]

where = sys.argv[1]
connection = http.client.HTTPConnection(where)
for method, path, body in REQUESTS:
    connection.request(
        method,
        path,
        pieces() if body == "pieces" else body,
        encode_chunked=body == "pieces",
        headers={"Transfer-Encoding": "chunked"} if body == "pieces" else {},
    )
    response = connection.getresponse()
    length = response.getheader("Content-Length") if method == "HEAD" else ""
    print(json.dumps([method, path, response.status, response.read().decode(), response.getheader("X-Multi"), length]))
with urllib.request.urlopen(f"http://{where}/chunks") as response:
    print(json.dumps(["urllib", response.status, response.read().decode()]))
