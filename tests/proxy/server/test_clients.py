"""Real clients: curl, and the HTTP clients that Python, Node and Go bring."""

import asyncio
import http.client
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.server.room import Room, told
from tests.tools import require

pytestmark = pytest.mark.anyio

CLIENTS = Path(__file__).with_name("clients")
BODY = b"hello" * 30_000


async def run(*command: str, data: bytes = b"", env: dict[str, str] | None = None) -> bytes:
    """The standard output of a command that goes well."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, env=env)
    async with asyncio.timeout(120):
        out, err = await process.communicate(data)
    assert process.returncode == 0, err.decode()
    return out


CURL: dict[str, tuple[list[str], str, bytes]] = {
    "a GET": ([], "GET", b""),
    "HTTP/1.0": (["--http1.0"], "GET", b""),
    "an offer of HTTP/2": (["--http2"], "GET", b""),
    "an offer of HTTP/2 with a body": (["--http2", "--data-binary", "@-"], "POST", BODY),
    "a body": (["--data-binary", "@-"], "POST", BODY),
    "a chunked upload": (["-T", "-", "-H", "Expect:"], "PUT", BODY),
    "a chunked upload that asks": (["-T", "-", "-H", "Expect: 100-continue", "--expect100-timeout", "60"], "PUT", BODY),
    "HTTP/1.0 with a body": (["--http1.0", "--data-binary", "@-"], "POST", BODY),
}


@pytest.mark.parametrize("name", CURL)
async def test_curl(name: str) -> None:
    arguments, method, body = CURL[name]
    curl = require("curl", "apt-get install curl")
    async with Room(told) as room:
        url = f"http://127.0.0.1:{room.port}/a/../b?c"
        out = await run(curl, "-sS", "--fail", "--path-as-is", "--max-time", "60", *arguments, url, data=body)
        heard = json.loads(out)
        assert (heard["method"], heard["target"]) == (method, "/a/../b?c")
        assert heard["body"].encode() == body


async def test_curl_keeps_its_connection() -> None:
    curl = require("curl", "apt-get install curl")
    async with Room(told) as room:
        url = f"http://127.0.0.1:{room.port}/"
        out = await run(curl, "-sS", "--fail", url, "-o", os.devnull, "-w", "%{num_connects} ", url, "-o", os.devnull)
        assert out.split() == [b"1", b"0"]


async def test_curl_hears_that_this_is_not_http_2() -> None:
    curl = require("curl", "apt-get install curl")
    async with Room(told) as room:
        process = await asyncio.create_subprocess_exec(
            curl, "-sS", "--max-time", "20", "--http2-prior-knowledge", f"http://127.0.0.1:{room.port}/",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await process.communicate()
        assert process.returncode not in (0, 28)
        assert room.edge.refused == {505: 1}


def python(port: int) -> list[dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    seen = []
    try:
        for method, path, body, headers in (
            ("GET", "/get", None, {}),
            ("POST", "/length", b"hello", {}),
            ("POST", "/chunked", iter([b"he", b"llo"]), {}),
            ("HEAD", "/head", None, {}),
            ("GET", "/last", None, {}),
        ):
            connection.request(method, path, body, headers, encode_chunked=True)
            sock = connection.sock
            answer = connection.getresponse()
            seen.append({"status": answer.status, "body": answer.read().decode()})
            assert connection.sock is sock
    finally:
        connection.close()
    return seen


async def test_python() -> None:
    async with Room(told) as room:
        seen = await asyncio.to_thread(python, room.port)
        check(seen, ["/get", "/length", "/chunked", "/head", "/last"])
        await asyncio.get_running_loop().shutdown_default_executor()


async def test_node() -> None:
    node = require("node", "make development")
    async with Room(told) as room:
        seen = json.loads(await run(node, str(CLIENTS / "agent.mjs"), str(room.port)))
        assert seen["sockets"] == 1
        check(seen["seen"], ["/get", "/length", "/chunked", "/expect", "/head"])


async def test_go() -> None:
    go = require("go", "apt-get install golang-go")
    async with Room(told) as room:
        environment = {**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "off"}
        seen = json.loads(await run(go, "run", str(CLIENTS / "main.go"), str(room.port), env=environment))
        assert [answer["reused"] for answer in seen] == [False, True, True, True, True]
        check(seen, ["/get", "/length", "/chunked", "/expect", "/head"])


def check(seen: list[dict[str, Any]], paths: list[str]) -> None:
    assert [answer["status"] for answer in seen] == [200] * len(paths)
    for answer, path in zip(seen, paths, strict=True):
        if path == "/head":
            assert answer["body"] == ""
            continue
        heard = json.loads(answer["body"])
        assert heard["target"] == path
        assert heard["body"] == ("" if path in ("/get", "/last") else "hello")
