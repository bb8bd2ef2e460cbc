"""`format: auto` on the wire: the path of an API keeps that API's format, whatever the backend speaks."""

import asyncio
import json

import pytest

from tests.proxy import speech
from tests.proxy.speech import ANTHROPIC, DONE, OLLAMA, OPENAI, WORDS, ask
from tests.wire.backend import Script, Talk
from tests.wire.house import House
from tests.wire.message import END, Message

pytestmark = pytest.mark.anyio

AUTO = "defaults: { format: auto }"
HOMEMADE = [b'data: {"chunk": "Low", "type": "text"}\n\n', b'data: {"done": true}\n\n']
SGLANG = [
    b'data: {"text": "Low", "meta_info": {"id": "g", "finish_reason": null}}\n\n',
    b'data: {"text": "Low tide", "meta_info": {"id": "g", "finish_reason": {"type": "stop"}}}\n\n',
    DONE,
]
ERROR = b'data: {"error": {"message": "the wheel broke", "type": "server_error"}}\n\n'
NDJSON = "application/x-ndjson"


def says(*parts: bytes, kind: str = "text/event-stream") -> Script:
    async def script(talk: Talk) -> None:
        await talk.stream(*parts, kind=kind)
        await talk.send(END)

    return script


def words(reply: Message) -> str:
    """The text of the chunks of chat completions."""
    lines = [line[6:] for line in reply.body.decode().split("\n") if line.startswith("data: {")]
    choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.mark.parametrize(
    ("path", "parts", "kind"),
    [
        ("/v1/chat/completions", OPENAI, "text/event-stream"),
        ("/v1/chat/completions/", OPENAI, "text/event-stream"),
        ("/v1/messages", ANTHROPIC, "text/event-stream"),
        ("/api/chat", OLLAMA, NDJSON),
        ("/generate", SGLANG, "text/event-stream"),
        ("/v1/messages", OPENAI, "text/event-stream"),
        ("/api/chat", HOMEMADE, "text/event-stream"),
        ("/v1/chat/completions", [b": hi\n\n", *OPENAI], "text/event-stream"),
        ("/v1/chat/completions", [b'data: {"odd": 1}\n\n', b": hi\n\n", DONE], "text/event-stream"),
    ],
)
async def test_the_bytes_pass(path: str, parts: list[bytes], kind: str) -> None:
    async with House(says(*parts, kind=kind), AUTO) as house:
        reply = await house.ask(ask(path=path))
        assert (reply.get("x-stream-format"), reply.get("content-type")) == ("passthrough", kind)
        assert reply.body == b"".join(parts)
        assert (await house.told())["format"] == "passthrough"


@pytest.mark.parametrize(
    ("parts", "kind", "said"),
    [
        (OLLAMA, NDJSON, "".join(WORDS)),
        (ANTHROPIC, "text/event-stream", "".join(WORDS)),
        (HOMEMADE, "text/event-stream", "Low"),
        ([b'data: {"odd": 1}\n\n', *HOMEMADE], "text/event-stream", "Low"),
        ([b"Low", b" tide"], "text/plain", "Low tide"),
    ],
)
async def test_another_dialect_leaves_in_the_format_of_the_api(parts: list[bytes], kind: str, said: str) -> None:
    async with House(says(*parts, kind=kind), AUTO) as house:
        reply = await house.ask(ask())
        assert (reply.get("x-stream-format"), words(reply)) == ("openai", said)
        assert reply.get("content-type") == "text/event-stream; charset=utf-8"
        assert reply.body.endswith(DONE)
        assert (await house.told())["format"] == "openai"


@pytest.mark.parametrize(("path", "parts"), [("/ask", OPENAI), ("/generate", HOMEMADE), ("/generate", OPENAI)])
async def test_every_other_path_gets_the_envelope(path: str, parts: list[bytes]) -> None:
    async with House(says(*parts), AUTO) as house:
        reply = await house.ask(ask(path=path))
        assert reply.get("x-stream-format") == (await house.told())["format"] == "envelope-v1"
        assert speech.complete(reply)["final_response"]


async def test_an_error_alone_passes_as_the_backend_says_it() -> None:
    async with House(says(ERROR), AUTO) as house:
        reply = await house.ask(ask())
        assert (reply.get("x-stream-format"), reply.body) == ("passthrough", ERROR)


async def test_a_client_s_wish_and_everybody_s_format_win() -> None:
    async with House(says(*OPENAI), AUTO) as house:
        assert (await house.ask(ask("X-Stream-Format: envelope-v2"))).get("x-stream-format") == "envelope-v2"
        assert (await house.ask(ask("X-Stream-Format: auto"))).status == 406
    async with House(says(*OPENAI), "defaults: { format: envelope-v1 }") as house:
        assert (await house.ask(ask())).get("x-stream-format") == "envelope-v1"


async def test_an_upstream_that_says_its_dialect_decides_at_once() -> None:
    upstream = "upstreams: { backend: { url: $URL, dialect: ollama } }\n"
    async with House(says(*OLLAMA, kind=NDJSON), upstream + AUTO) as house:
        reply = await house.ask(ask())
        assert (reply.get("x-stream-format"), words(reply)) == ("openai", "".join(WORDS))


async def test_an_answer_that_was_opened_early_may_still_be_another_dialect_s() -> None:
    go = asyncio.Event()

    async def script(talk: Talk) -> None:
        await go.wait()
        await talk.stream(*OLLAMA, kind=NDJSON)
        await talk.send(END)

    async with House(script, "defaults: { format: auto, open_after: 20ms, ping: { interval: 20ms } }") as house:
        async with house.client() as client:
            await client.send(ask())
            await client.until(b": ping")
            go.set()
            reply = await client.reply()
        assert words(reply) == "".join(WORDS) and reply.body.endswith(DONE)
