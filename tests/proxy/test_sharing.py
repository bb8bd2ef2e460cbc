"""Connections serve one request after another, and nothing of one is seen in another."""

import asyncio

import pytest

from tests.wire.backend import Talk
from tests.wire.house import House
from tests.wire.message import answer, request

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("transport")]


async def hello(talk: Talk) -> None:
    await talk.send(answer(b"hello", "text/plain"))


async def test_cookies_are_not_shared() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(answer(b"x", "text/plain", "Set-Cookie: who=first"))

    async with House(script) as house:
        for _ in range(2):
            await house.ask(request("GET", "/"))
        assert [talk.asked.get("cookie") for talk in house.backend.talks] == ["", ""]


async def test_a_client_keeps_its_connection_and_the_sidecar_its_own() -> None:
    async with House(hello) as house, house.client() as client:
        for method in ("GET", "POST", "GET"):
            await client.send(request(method, "/", body=b"x" if method == "POST" else None))
            assert (await client.reply(method)).body == b"hello"
        assert house.backend.connections == 1


async def test_pipelined_requests_are_answered_in_order() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(answer(talk.asked.first[1]))

    async with House(script) as house, house.client() as client:
        await client.send(b"".join(request("GET", f"/{n}") for n in range(5)))
        assert [(await client.reply()).body for _ in range(5)] == [b"/%d" % n for n in range(5)]


async def test_concurrent_requests_do_not_mix() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(answer(talk.asked.body))

    async with House(script) as house:
        replies = await asyncio.gather(*(house.ask(request("POST", "/", body=b"%d" % n)) for n in range(100)))
        assert [reply.body for reply in replies] == [b"%d" % n for n in range(100)]
