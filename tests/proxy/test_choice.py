"""In which format a stream leaves: the rule's, or the client's wish; and what is always said about it."""

import asyncio

import pytest

from tests.proxy import speech
from tests.proxy.speech import ANTHROPIC, DONE, OLLAMA, OPENAI, ask, delta
from tests.wire.backend import Script, Talk
from tests.wire.house import House
from tests.wire.message import END, head, request

pytestmark = pytest.mark.anyio

UNBUFFERED = {
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
    "connection": "keep-alive",
}


def says(*parts: bytes, kind: str = "text/event-stream") -> Script:
    async def script(talk: Talk) -> None:
        await talk.stream(*parts, kind=kind)
        await talk.send(END)

    return script


WISHES = [
    ("X-Stream-Format: {}",),
    ('Accept: text/event-stream; profile="{}"',),
    ("Accept: application/json;q=0.1, Text/Event-Stream;Profile={};q=1",),
    ("X-Stream-Format: {}", 'Accept: text/event-stream; profile="nonsense"'),
]


@pytest.mark.parametrize("lines", WISHES)
@pytest.mark.parametrize("wish", ["envelope-v1", "passthrough"])
@pytest.mark.parametrize("rule", ["envelope-v1", "passthrough"])
async def test_a_client_may_wish(rule: str, wish: str, lines: tuple[str, ...]) -> None:
    async with House(says(*OPENAI), f"defaults: {{ format: {rule} }}") as house:
        reply = await house.ask(ask(*(each.format(wish) for each in lines)))
        assert reply.get("x-stream-format") == wish
        if wish == "passthrough":
            assert reply.body == b"".join(OPENAI)
        else:
            assert speech.complete(reply)["final_response"] == "".join(speech.WORDS)
        asked = house.backend.talks[0].asked
        assert asked.get("x-stream-format") == "" and "profile" not in asked.get("accept").lower()
        assert (await house.told())["format"] == wish


async def test_an_accept_without_a_wish_goes_on_as_it_is() -> None:
    async with House(says(*OPENAI)) as house:
        await house.ask(ask("Accept: text/event-stream;q=0.9, application/json", "Accept: */*"))
        asked = house.backend.talks[0].asked
        assert asked.all("accept") == ["text/event-stream;q=0.9, application/json", "*/*"]


async def test_what_else_is_accepted_survives_a_wish() -> None:
    async with House(says(*OPENAI)) as house:
        await house.ask(ask('Accept: application/json, text/event-stream;profile="envelope-v1";q=0.5'))
        accept = house.backend.talks[0].asked.get("accept")
        assert "application/json" in accept and "text/event-stream" in accept


@pytest.mark.parametrize("lines", WISHES[:3])
async def test_a_format_that_is_not_there_is_not_acceptable(lines: tuple[str, ...]) -> None:
    async with House(says(*OPENAI)) as house:
        reply = await house.ask(ask(*(each.format("envelope-v9") for each in lines)))
        error = speech.refused(reply)
        assert (reply.status, error["code"], error["outcome"]) == (406, "BAD_REQUEST", "rejected")
        assert all(name in error["message"] for name in ("envelope-v9", "envelope-v1", "passthrough"))
        assert house.backend.talks == []


async def test_a_format_that_the_rule_does_not_allow_is_not_acceptable() -> None:
    async with House(says(*OPENAI), "defaults: { allow: [passthrough], format: passthrough }") as house:
        reply = await house.ask(ask("X-Stream-Format: envelope-v1"))
        assert (reply.status, "there are: passthrough" in speech.refused(reply)["message"]) == (406, True)
        assert (await house.ask(ask())).body == b"".join(OPENAI)


@pytest.mark.parametrize("wish", ["envelope-v1", "passthrough"])
async def test_the_headers_of_a_stream(wish: str) -> None:
    async def script(talk: Talk) -> None:
        lines = ["Content-Length: 14", "ETag: x", "Cache-Control: max-age=9", "Vary: Origin", "X-Own: kept",
                 "Set-Cookie: a=1", "Set-Cookie: b=2", "Access-Control-Expose-Headers: X-Own"]  # fmt: skip
        await talk.send(head(200, "Content-Type: text/event-stream;x=y", *lines), DONE)

    async with House(script) as house:
        reply = await house.ask(ask(f"X-Stream-Format: {wish}"))
        for name, value in UNBUFFERED.items():
            assert reply.all(name) == [value]
        kind = "text/event-stream;x=y" if wish == "passthrough" else "text/event-stream; charset=utf-8"
        assert reply.all("content-type") == [kind]
        assert reply.get("content-length") == reply.get("etag") == reply.get("content-encoding") == ""
        assert reply.all("vary") == ["Origin, Accept, X-Stream-Format"]
        assert reply.all("access-control-expose-headers") == ["X-Own, X-Stream-Format, X-Stream-Id, X-Request-Id"]
        assert reply.all("set-cookie") == ["a=1", "b=2"]
        assert reply.get("x-own") == "kept"
        assert reply.get("x-stream-id") == (await house.told())["stream"]


async def test_ndjson_keeps_its_type_in_passthrough_and_is_unbuffered_too() -> None:
    async with House(says(*OLLAMA, kind="application/x-ndjson"), "defaults: { format: passthrough }") as house:
        reply = await house.ask(ask(path="/api/chat"))
        assert reply.body == b"".join(OLLAMA)
        assert reply.all("content-type") == ["application/x-ndjson"]
        assert [reply.get(name) for name in UNBUFFERED] == list(UNBUFFERED.values())


async def test_a_rule_may_leave_the_headers_alone() -> None:
    async with House(says(*OPENAI), "defaults: { headers: off }") as house:
        reply = await house.ask(ask())
        assert [reply.get(name) for name in UNBUFFERED] == [""] * 4
        assert reply.get("content-type") == "text/event-stream; charset=utf-8"


FRAMINGS = {
    "openai": b"".join(OPENAI),
    "anthropic": b"".join(ANTHROPIC),
    "crlf": b"".join(OPENAI).replace(b"\n", b"\r\n"),
    "cr": b"".join(OPENAI).replace(b"\n", b"\r"),
    "bom": b"\xef\xbb\xbf" + b"".join(OPENAI),
    "comments": b": hi\n\n" + b"\n\n: there\n".join(OPENAI),
    "fields": b"retry: 10\nid: 7\nfoo: bar\n" + b"event: x\nid\n".join(OPENAI),
    "no space": b"".join(OPENAI).replace(b"data: ", b"data:"),
    "unterminated": b"".join(OPENAI).rstrip(),
    "after the end": b"".join(OPENAI) + b": bye\n\n" + delta("more") + b"rest",
    "unknown": b'event: a\ndata: {"b": 1}\n\ndata: {"c": [2]}\n\nda',
    "not utf-8": b"data: \xff\xfe\n\n" + DONE,
    "large": b"data: " + b"x" * 3_000_000 + b"\n\n" + DONE,
}


@pytest.mark.parametrize("said", FRAMINGS.values(), ids=FRAMINGS)
@pytest.mark.parametrize("cut", [1 << 20, 7])
async def test_passthrough_is_the_backends_bytes(said: bytes, cut: int) -> None:
    cut = max(cut, len(said) // 500)
    pieces = [said[at : at + cut] for at in range(0, len(said), cut)]
    async with House(says(*pieces), "defaults: { format: passthrough }") as house:
        reply = await house.ask(ask())
        assert reply.body == said
        assert reply.whole
        assert (await house.told())["outcome"] == "completed"


async def test_rules_decide_by_header_model_path_and_method() -> None:
    rules = """
defaults: { format: passthrough }
rules:
  - { name: by model, match: { model: "deep-*" }, policy: { format: envelope-v1 } }
  - { name: by path, match: { path: /v2/**, method: POST }, policy: { format: envelope-v1 } }
  - { name: by header, match: { headers: { x-app: ["web*", "ios"] } }, policy: { format: envelope-v1 } }
"""
    async with House(says(*OPENAI), rules) as house:
        asked = [ask(), ask(model="deep-1"), ask(path="/v2/a/b"), ask("X-App: WebApp"), ask("X-App: android")]
        found = [(await house.ask(each)).get("x-stream-format") for each in asked]
        assert found == ["passthrough", *["envelope-v1"] * 3, "passthrough"]
        told = [(await house.told(number=number))["rule"] for number in range(5)]
        assert told == ["default", "by model", "by path", "by header", "default"]


async def test_new_rules_are_for_the_requests_that_come_after() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(*OPENAI[:1])
        await talk.heard.wait()
        await talk.say(*OPENAI[1:])
        await talk.send(END)

    async with House(script) as house, house.client() as before, house.client() as after:
        await before.send(ask())
        await before.until(b"Hello")
        other = "upstreams: { other: { url: '$URL' } }\ndefaults: { format: passthrough }"
        await house.sidecar.swap(house.rules(other))
        await after.send(ask())
        await after.until(b"Hello")
        for talk in house.backend.talks:
            talk.heard.set()
        assert speech.complete(await before.reply())["final_response"] == "".join(speech.WORDS)
        assert (await after.reply()).body == b"".join(OPENAI)
        assert {(await house.told(number=number))["upstream"] for number in range(2)} == {"backend", "other"}
        # the connection to the backend that no rule names any more is closed
        await asyncio.wait_for(house.backend.talks[0].closed.wait(), 5)


async def test_a_request_goes_to_the_upstream_of_its_rule() -> None:
    async with (
        House(says(*OPENAI)) as other,
        House(
            says(*ANTHROPIC),
            f"""
upstreams: {{ one: {{ url: $URL }}, two: {{ url: "http://127.0.0.1:{other.backend.port}" }} }}
rules: [ {{ name: other, match: {{ model: x }}, upstreams: [two] }} ]
""",
        ) as house,
    ):
        await house.ask(ask(model="x"))
        await house.ask(request("GET", "/"))
        assert (len(other.backend.talks), len(house.backend.talks)) == (1, 1)
