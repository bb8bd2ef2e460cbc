"""Every recorded body means the same events, however the network cut it, and never ends falsely when it is cut off."""

import msgspec
import pytest

from sidecar.stream import dialects
from sidecar.stream.events import AnyEvent, End, Error, Event, Finish, TextDelta, ToolCallEnd, Usage
from tests.stream.reading import FIXTURES, FOLDER, Fixture, assert_one_life, by, halves, joined, read

every_fixture = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)


BY_THE_BODY = ("homemade/plain-last.sse", "cloudflare/body.json", "gemini/stop-in-each.sse")
"""What says no end, or one with each word, so that only the body's end is one."""


def heard(events: list[Event], choice: int = 0) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta) and e.choice == choice and not e.refusal)


def stride(body: bytes) -> int:
    return 1 + len(body) // 200


def ends_where_the_body_ends(fixture: Fixture) -> bool:
    open_ended = fixture.dialect == "text" or dialects.ends_open(fixture.dialect)
    if fixture.name == "text/end-in-brackets.sse":
        return False
    said_why = any(isinstance(event, Finish) and event.raw for event in fixture.events)
    return (open_ended and not said_why) or fixture.name in BY_THE_BODY


def test_every_dialect_has_a_fixture_and_every_fixture_a_dialect() -> None:
    assert {folder.name for folder in FOLDER.iterdir() if folder.is_dir()} == set(dialects.ORDER)
    assert {fixture.dialect for fixture in FIXTURES} == set(dialects.ORDER)


def test_every_fixture_has_its_events_and_no_events_are_alone() -> None:
    stems = [fixture.path.with_suffix("") for fixture in FIXTURES]
    assert len(stems) == len(set(stems)), "two bodies share one .events.jsonl"
    assert {path.with_suffix("").with_suffix("") for path in FOLDER.glob("*/*.events.jsonl")} == set(stems)


@every_fixture
def test_a_body_means_its_events(fixture: Fixture) -> None:
    reading = read(fixture.body, event_stream=fixture.event_stream)
    assert reading.events == fixture.events
    assert reading.parser.dialect == fixture.dialect
    assert_one_life(reading.events)


@every_fixture
def test_a_dialect_that_is_named_says_the_same(fixture: Fixture) -> None:
    assert read(fixture.body, fixture.dialect, fixture.event_stream).events == fixture.events


@every_fixture
def test_the_content_type_is_only_a_hint(fixture: Fixture) -> None:
    assert read(fixture.body, event_stream=not fixture.event_stream).events == fixture.events


@every_fixture
@pytest.mark.parametrize("named", [False, True], ids=["auto", "named"])
def test_the_cut_does_not_matter(fixture: Fixture, named: bool) -> None:
    """Every cut in two while the dialect is being recognised; some 200 of them where it is named."""
    body, expected = fixture.body, joined(fixture.events)
    for pieces in (by(1, body), by(7, body), *halves(body, stride(body) if named else 1)):
        reading = read(pieces, fixture.dialect if named else "auto", fixture.event_stream)
        assert joined(reading.events) == expected, f"cut at {len(pieces[0])}"
        assert b"".join(frame.raw for frame in reading.frames) == body


@every_fixture
def test_a_body_that_is_cut_off_has_one_last_word(fixture: Fixture) -> None:
    body, text = fixture.body, heard(fixture.events)
    for size in range(0, len(body), stride(body)):
        events = read(body[:size], event_stream=fixture.event_stream).events
        assert_one_life(events)
        # three bytes of a line `0:"words"` may be any text
        if fixture.dialect != "text" and not (fixture.dialect == "vercel-data" and size < 4):
            assert text.startswith(heard(events))


@every_fixture
def test_a_broken_connection_is_never_a_whole_answer(fixture: Fixture) -> None:
    """Unless all had been said: a finish reason of every choice, or the dialect's end."""
    said_it = isinstance(fixture.events[-1], End) and not ends_where_the_body_ends(fixture)
    broken = read(fixture.body, event_stream=fixture.event_stream, clean=False).events
    assert_one_life(broken)
    if said_it or isinstance(fixture.events[-1], Error):
        assert broken == fixture.events
    else:
        assert broken[-1] == Error("truncated", "the backend's answer broke off before its end")


@every_fixture
def test_whole_answers_are_whole(fixture: Fixture) -> None:
    """Every choice says why it finished, every call ends once, usage only grows in what is known."""
    events = fixture.events
    calls = [(e.choice, e.index) for e in events if isinstance(e, ToolCallEnd)]
    assert len(calls) == len(set(calls))
    for before, after in zip(counts := [e for e in events if isinstance(e, Usage)], counts[1:], strict=False):
        assert not {k for k, v in msgspec.structs.asdict(before).items() if v is not None} - {
            k for k, v in msgspec.structs.asdict(after).items() if v is not None
        }
    if isinstance(events[-1], End):
        finished = {e.choice for e in events if isinstance(e, Finish)}
        assert finished >= {e.choice for e in events if isinstance(e, TextDelta)} | {choice for choice, _ in calls}
        assert 0 in finished


def test_a_recorded_event_reads_back() -> None:
    for fixture in FIXTURES:
        for event in fixture.events:
            assert msgspec.json.decode(msgspec.json.encode(event), type=AnyEvent) == event


def test_of_path() -> None:
    assert dialects.of_path("/v1/chat/completions") == "openai-chat"
    assert dialects.of_path("/openai/deployments/x/chat/completions") == "openai-chat"
    assert dialects.of_path("/v1/messages") == "anthropic"
    assert dialects.of_path("/api/chat") == dialects.of_path("/api/generate") == "ollama"
    assert dialects.of_path("/stream") == dialects.of_path("") == ""


def test_names() -> None:
    assert dialects.names() == ("auto", *dialects.ORDER)
