"""Passing bytes through: all of them, at once, with a ping never inside a frame and an error in the client's words."""

import msgspec
import pytest

from sidecar.stream import dialects, framing
from sidecar.stream.events import Error, Start
from sidecar.stream.parser import StreamParser
from sidecar.stream.sniff import Sniff
from sidecar.stream.sse import SSE
from sidecar.stream.wires import make
from sidecar.stream.wires.passthrough import Passthrough
from tests.stream.reading import FIXTURES, Fixture, by, halves, read

BROKEN = Error("truncated", "the backend's answer broke off before its end", "NETWORK", recoverable=True)
LIMIT = Error("rate_limited", "rate limit reached", "RATE_LIMIT")
every_fixture = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)


def passed(pieces: list[bytes], event_stream: bool) -> bytes:
    wire, parser = Passthrough(event_stream=event_stream), StreamParser(event_stream=event_stream)
    out = [wire.encode(*parser.feed(piece)) for piece in pieces]
    return b"".join([*out, wire.encode(*parser.eof())])


@every_fixture
def test_what_leaves_is_what_came(fixture: Fixture) -> None:
    body = fixture.body
    for pieces in ([body], by(1, body), by(7, body), *halves(body, 3)):
        assert passed(pieces, fixture.event_stream) == body


@every_fixture
def test_a_ping_falls_between_frames(fixture: Fixture) -> None:
    """After every byte where a ping may go: the stream with the ping in it says what it said without."""
    sniff = Sniff(fixture.event_stream)
    sniff.feed(fixture.body)
    if not isinstance(sniff.chosen, SSE):
        pytest.skip("only an event stream has pings")
    wire, parser = Passthrough(fixture.dialect, True), StreamParser(event_stream=True)
    out, pinged = b"", 0
    for byte in by(1, fixture.body):
        out += wire.encode(*parser.feed(byte))
        if wire.at_boundary and parser.dialect not in ("auto", "text"):
            out, pinged = out + wire.ping(after_id=parser.has_ids), pinged + 1
    out += wire.encode(*parser.eof())
    plain = fixture.dialect == "text"
    assert pinged > 0 or plain
    assert read(out, event_stream=True).events == fixture.events


@pytest.mark.parametrize(
    ("body", "boundaries"),
    [
        (b"data: a\n\ndata: b\n\n", 18),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", 22),
        (b": x\n\n", 5),
    ],
)
def test_nothing_is_half_written_while_a_frame_is_held_back(body: bytes, boundaries: int) -> None:
    wire, parser = Passthrough("openai-chat", True), StreamParser("openai-chat", True)
    seen = 0
    for byte in by(1, body):
        out = wire.encode(*parser.feed(byte))
        assert out == b"" or out.endswith((b"\n", b"\r"))
        seen += wire.at_boundary
    assert seen == boundaries


def test_no_ping_inside_a_frame_that_is_handed_on_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "TAIL_BYTES", 8)
    wire, parser = Passthrough("openai-chat", True), StreamParser("openai-chat", True)
    pings = []
    for piece in (b"data: {}\n\n", b"data: {", b'"a":1234567', b"89}", b"\n", b"\n", b"data: ", b"{}\n\n"):
        wire.encode(*parser.feed(piece))
        pings.append(wire.ping())
    assert pings == [b": ping\n\n", b": ping\n\n", b"", b"", b"", b": ping\n\n", b": ping\n\n", b": ping\n\n"]


def test_the_ping_is_one_that_the_client_ignores() -> None:
    openai, anthropic = Passthrough("openai-chat", True), Passthrough("anthropic", True)
    assert openai.ping() == Passthrough("nobody's", True).ping() == b": ping\n\n"
    assert openai.ping(after_id=True) == openai.ping("comment-no-blank") == b": ping\n"
    assert anthropic.ping() == anthropic.ping(after_id=True) == b'event: ping\ndata: {"type": "ping"}\n\n'
    assert anthropic.ping("comment") == b": ping\n\n"
    assert anthropic.ping("comment-no-blank") == b": ping\n"
    assert Passthrough("ollama", False).ping() == Passthrough("openai-chat", False).ping() == b""


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic"])
def test_a_ping_says_nothing(dialect: str) -> None:
    ping = dialects.ping(dialect)
    fixture = next(f for f in FIXTURES if f.name == f"{dialect}/text.sse")
    blocks = [block + b"\n\n" for block in fixture.body.split(b"\n\n")[:-1]]
    assert read(ping.join([b"", *blocks]), event_stream=True).events == fixture.events


# ---- the dialect's own last word


@pytest.mark.parametrize(
    ("dialect", "error", "frame"),
    [
        (
            "openai-chat",
            LIMIT,
            b'data: {"id":"s_1","object":"chat.completion.chunk","created":7,"model":"","choices":[],'
            b'"error":{"message":"rate limit reached","type":"rate_limited","param":null,"code":"RATE_LIMIT"}}\n\n',
        ),
        (
            "anthropic",
            LIMIT,
            b'event: error\ndata: {"type":"error",'
            b'"error":{"type":"rate_limit_error","message":"rate limit reached"}}\n\n',
        ),
        (
            "anthropic",
            Error("circuit_open", "busy", "OVERLOADED"),
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n',
        ),
        (
            "anthropic",
            Error("rejected", "no", "BAD_REQUEST"),
            b'event: error\ndata: {"type":"error","error":{"type":"invalid_request_error","message":"no"}}\n\n',
        ),
        ("ollama", LIMIT, b'{"error":"rate limit reached"}\n'),
        ("homemade", LIMIT, b'data: {"error":"rate limit reached"}\n\n'),
        ("text", LIMIT, b""),
        ("", LIMIT, b""),
        ("nobody's", LIMIT, b""),
    ],
)
def test_an_error_frame(dialect: str, error: Error, frame: bytes) -> None:
    assert Passthrough(dialect, dialect != "ollama", "s_1", 7).failed(error) == frame
    assert Passthrough(dialect, dialect == "ollama").failed(error) == b"", "not the framing that the client reads"


@pytest.mark.parametrize(
    "name",
    [
        "openai-chat/text.sse",
        "openai-responses/text.sse",
        "anthropic/text.sse",
        "ollama/chat.ndjson",
        "homemade/content-then-done.sse",
    ],
)
def test_an_error_frame_reads_back_as_that_error(name: str) -> None:
    """Alone, and after a frame that was cut at any byte."""
    fixture = next(fixture for fixture in FIXTURES if fixture.name == name)
    dialect = fixture.dialect
    for size in range(0, len(fixture.body), 7):
        parser = StreamParser(dialect, fixture.event_stream)
        wire = Passthrough(dialect, fixture.event_stream)
        sent = wire.encode(*parser.feed(fixture.body[:size]))
        if parser.finished:
            break
        sent += wire.encode(*parser.eof(clean=False)) + wire.failed(LIMIT)
        last = read(sent, dialect, fixture.event_stream).events[-1]
        assert isinstance(last, Error)
        assert (last.outcome, last.message) == ("rate_limited", LIMIT.message), size
    assert size > 90


def test_a_chat_error_goes_on_from_the_last_chunk() -> None:
    """async-openai reads nothing that has no id and no choices."""
    wire = Passthrough("openai-chat", True, "s_1", 7)
    wire.encode(*StreamParser("openai-chat", True).feed(b'data: {"id":"c1","created":5,"model":"m","choices":[]}\n\n'))
    said = msgspec.json.decode(wire.failed(LIMIT, Start("x", "y")).removeprefix(b"data: "))
    assert [said[key] for key in ("id", "object", "created", "model")] == ["c1", "chat.completion.chunk", 5, "m"]
    assert said["choices"] == [] and said["error"]["message"] == LIMIT.message


@pytest.mark.parametrize("behind", [b"", b": keep-alive\n\n"], ids=["at once", "after a comment"])
@pytest.mark.parametrize("together", [True, False])
def test_a_responses_error_goes_on_from_the_last_number(behind: bytes, together: bool) -> None:
    """Codex reads `response.failed` alone, the others the `error`, in which openai-python wants an `error` again."""
    event = b'data: {"type":"response.output_text.delta","sequence_number":41,"delta":"a"}\n\n'
    wire, parser = Passthrough("openai-responses", True, "s_1", 7), StreamParser("openai-responses", True)
    for part in [event + behind] if together else [event, behind]:
        wire.encode(*parser.feed(part))
    first, second = wire.failed(LIMIT, Start("m", "resp_1")).split(b"\n\n")[:-1]
    assert first.startswith(b"event: error\n") and second.startswith(b"event: response.failed\n")
    error, failed = (msgspec.json.decode(block.partition(b"data: ")[2]) for block in (first, second))
    inner = {"code": "rate_limit", "message": "rate limit reached", "param": None}
    assert error == {"type": "error", "sequence_number": 42, **inner, "error": {"type": "rate_limited", **inner}}
    response = failed["response"]
    assert (failed["sequence_number"], response["status"]) == (43, "failed")
    assert [response[key] for key in ("id", "model", "created_at", "output")] == ["resp_1", "m", 7, []]
    assert response["error"] == {"code": "rate_limit_exceeded", "message": "rate limit reached"}


def test_a_responses_error_of_a_stream_that_said_nothing() -> None:
    block = Passthrough("openai-responses", True, "s_1").failed(LIMIT).split(b"\n\n")[0]
    assert msgspec.json.decode(block.partition(b"data: ")[2])["sequence_number"] == 0


@pytest.mark.parametrize("dialect", ["openai-chat", "openai-responses", "anthropic", "ollama", "homemade"])
def test_an_error_message_stays_on_its_line(dialect: str) -> None:
    message = "a rate limit\n\nb\rc\u2028"
    frame = Passthrough(dialect, dialect != "ollama").failed(msgspec.structs.replace(LIMIT, message=message))
    assert b"\r" not in frame
    assert all(line.startswith((b"event: ", b"data: ", b"{")) for line in frame.split(b"\n") if line)
    last = read(frame, dialect).events[-1]
    assert isinstance(last, Error) and last.message == message


def test_what_it_says_of_itself() -> None:
    wire = make("passthrough", "anthropic")
    assert isinstance(wire, Passthrough)
    assert (wire.normalises, wire.content_type, wire.dialect, wire.at_boundary) == (False, None, "anthropic", True)
    assert wire.opening() == b""
