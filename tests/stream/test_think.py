"""Reasoning that was written into the text is told apart, however the text was cut."""

import msgspec
import pytest

from sidecar.stream.events import End, Error, ReasoningDelta, TextDelta
from sidecar.stream.parser import StreamParser
from sidecar.stream.think import Thinking

CASES = [
    ("<think>Hm, so.</think>\n\nHello <think>x</think>", "Hm, so.", "Hello <think>x</think>"),
    ("\n<think>\nfirst\nsecond</think>done", "\nfirst\nsecond", "done"),
    ("no thinking at all", "", "no thinking at all"),
    ("  <thin ice", "", "  <thin ice"),
    ("<think></think>short", "", "short"),
    ("<think>1 < 2 </thin </think>yes", "1 < 2 </thin ", "yes"),
    ("<think>never closed", "never closed", ""),
    ("<think>cut in the tag</thi", "cut in the tag</thi", ""),
    ("<", "", "<"),
]


def told(pieces: list[str]) -> tuple[str, str]:
    thinking = Thinking()
    said = [pair for piece in pieces for pair in thinking.feed(piece)] + thinking.flush()
    return "".join(text for thoughts, text in said if thoughts), "".join(
        text for thoughts, text in said if not thoughts
    )


@pytest.mark.parametrize(("text", "reasoning", "answer"), CASES)
def test_however_it_is_cut(text: str, reasoning: str, answer: str) -> None:
    cuts = [[text], list(text)] + [[text[:at], text[at:]] for at in range(len(text) + 1)]
    assert {told(cut) for cut in cuts} == {(reasoning, answer)}


def test_nothing_is_held_back_longer_than_a_tag() -> None:
    thinking = Thinking()
    assert thinking.feed("<think>abc") == [(True, "abc")]
    assert thinking.feed("def") == [(True, "def")]
    assert thinking.feed("g</t") == [(True, "g")]


def stream(*deltas: str, end: bytes = b"data: [DONE]\n\n") -> bytes:
    chunks = [{"choices": [{"index": 0, "delta": {"content": delta}}]} for delta in deltas]
    return b"".join(b"data: %s\n\n" % msgspec.json.encode(chunk) for chunk in chunks) + end


def test_the_parser_splits_when_asked() -> None:
    parser = StreamParser(think=True)
    events, _ = parser.feed(stream("<th", "ink>why</think>", "\n\nbe", "cause"))
    assert [e.text for e in events if isinstance(e, ReasoningDelta)] == ["why"]
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["be", "cause"]
    assert isinstance(events[-1], End)


def test_the_parser_leaves_it_when_not_asked() -> None:
    events, _ = StreamParser().feed(stream("<think>why</think>"))
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["<think>why</think>"]


def test_what_was_held_back_comes_out_before_a_failure() -> None:
    parser = StreamParser(think=True)
    events, _ = parser.feed(stream("<thi", end=b""))
    events += parser.eof()[0]
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["<thi"]
    assert isinstance(events[-1], Error)


def test_blanks_wait_for_a_tag_within_bounds() -> None:
    thinking = Thinking()
    assert thinking.feed(" " * 4096) == []
    assert thinking.feed("\n") == [(False, " " * 4096 + "\n")]
    assert thinking.feed("<think>no</think>") == [(False, "<think>no</think>")]
