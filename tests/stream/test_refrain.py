"""What comes again with other words is read by comparing bytes, and means what it means when it is read in full."""

import json

import pytest

from sidecar.stream import refrain
from sidecar.stream.events import Event, ReasoningDelta, TextDelta
from sidecar.stream.framing import Frame
from sidecar.stream.parser import StreamParser
from sidecar.stream.refrain import Refrain
from sidecar.stream.sse import SSE
from tests.stream.reading import by, joined, read

HEAD, TAIL = b'data: {"choices":[{"index":0,"delta":{"content":', b'},"finish_reason":null}],"id":"c\xc3\xbc"}\n\n'
BLOCK = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":'
)
WORDS = ["a", " b", "ü 世界 🌿", 'a "quoted" word', "back\\slash", "line\nfeed", "[DONE]", "", "\u2028", "content", "a"]


def chat(word: str) -> bytes:
    return HEAD + json.dumps(word, ensure_ascii=False).encode() + TAIL


def block(word: str) -> bytes:
    return BLOCK + json.dumps(word).encode() + b"}}\n\n"


def taught(*words: str) -> Refrain:
    """One that has heard these, one frame each."""
    one, framing = Refrain(), SSE()
    for word in words:
        chunk = chat(word)
        one.learn(chunk, framing.feed(chunk), [TextDelta(word)])
    return one


def test_two_frames_teach_it() -> None:
    assert [taught(*words).known for words in ((), ("a",), ("a", "a"), ("a", "b"))] == [False, False, False, True]
    heard = taught("a", "b").read(chat("c d"))
    assert heard == (TextDelta("c d"), *SSE().feed(chat("c d")))


@pytest.mark.parametrize("word", [word for word in WORDS if word and word[0] != "["])
def test_any_words_fit(word: str) -> None:
    heard = taught("a", "b").read(chat(word))
    assert heard and heard[0] == TextDelta(word)


@pytest.mark.parametrize(
    "chunk",
    [
        chat(""),
        chat("[DONE]"),
        chat("c").replace(b'"index":0', b'"index":1'),
        chat("c").replace(b"null", b'"stop"'),
        chat("c")[:-1],
        chat("c") + chat("d"),
        b"\n" + chat("c"),
        HEAD + b'"c","x":"d"' + TAIL,
        HEAD + b'["c"]' + TAIL,
        HEAD + b'"' + TAIL,
        HEAD + TAIL,
        HEAD[:-1] + TAIL,
        HEAD + b'"\xff"' + TAIL,
        HEAD + b'"\\ud83d"' + TAIL,
        HEAD + b'"\t"' + TAIL,
        HEAD + b'"c"\n\n' + TAIL,
        HEAD + b'\n"c"' + TAIL,
        HEAD + b'"c" ' + TAIL,
    ],
)
def test_what_does_not_fit_is_read_in_full(chunk: bytes) -> None:
    assert taught("a", "b").read(chunk) is None


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b'data: {"text":"a","was":"a"}\n\n', TextDelta("a")),
        (b'data: {"was":"a","text":"\\u0061"}\n\n', TextDelta("a")),
        (b'data: {"text":["a","b"]}\n\n', TextDelta("ab")),
        (b'data: {"text":"a"}\n\n', TextDelta("a", refusal=True)),
        (b'id: 1\ndata: {"text":"a"}\n\n', TextDelta("a")),
        (b'data: {"text":"a"}\n\n: ping\n\n', TextDelta("a")),
    ],
    ids=["twice", "escaped", "of two", "a refusal", "an id", "a comment"],
)
def test_what_is_not_sure_is_not_learned(first: bytes, said: Event) -> None:
    one, framing = Refrain(), SSE()
    for word in (b"a", b"c"):
        chunk = first.replace(b'"a"', b'"%b"' % word)
        text = said.text.replace("a", word.decode()) if isinstance(said, TextDelta) else ""
        event = TextDelta(text, refusal=isinstance(said, TextDelta) and said.refusal)
        one.learn(chunk, framing.feed(chunk), [event])
    assert not one.known


def test_a_snapshot_teaches_nothing() -> None:
    one, framing = Refrain(), SSE()
    for word, fresh in (("a", "a"), ("ab", "b"), ("abc", "c")):
        chunk = chat(word)
        one.learn(chunk, framing.feed(chunk), [TextDelta(fresh)])
    assert not one.known


def test_what_comes_between_is_forgotten_and_half_a_character_too() -> None:
    for chunk in (b": ping\n\n", b'data: {"choices":[]}\n\n', chat("c")[:9], HEAD + b'"\\ud83d"' + TAIL):
        one = taught("a", "b")
        one.learn(chunk, [], [])
        assert not one.known


def test_words_that_do_not_fit_are_no_end_of_it() -> None:
    one = taught("a", "b")
    assert one.read(chat("[x]")) is None
    for word in ("[x]", "d"):
        chunk = chat(word)
        one.learn(chunk, SSE().feed(chunk), [TextDelta(word)])
    assert one.known and one.read(chat("e"))


def test_where_something_else_stands_in_each_there_is_none() -> None:
    one, framing = Refrain(), SSE()
    for number in range(refrain.PATIENCE + 1):
        assert not one.hopeless
        chunk = b'data: {"text":"a %d","count":%d}\n\n' % (number, number)
        one.learn(chunk, framing.feed(chunk), [TextDelta(f"a {number}")])
    assert one.hopeless


@pytest.mark.parametrize("say", [chat, block])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_stream_reads_the_same_in_frames_and_in_bytes(say: object, newline: bytes) -> None:
    assert callable(say)
    frames = [say(word).replace(b"\n", newline) for word in (*WORDS, *WORDS)]
    broken = frames[3].replace(b"quoted", b"\xff\\ud83d"), frames[0] + frames[1], b": ping" + 2 * newline, b"data: x"
    pieces = [*frames, *broken, *frames, b"data: [DONE]" + 2 * newline, *frames]
    whole, cut = read(pieces), read(by(1, b"".join(pieces)))
    assert joined(whole.events) == joined(cut.events)
    assert b"".join(frame.raw for frame in whole.frames) == b"".join(pieces)


def test_reasoning_and_other_choices_are_refrains_too() -> None:
    thought = b'data: {"choices":[{"index":2,"delta":{"reasoning_content":"%b"}}]}\n\n'
    events = read([thought % word for word in (b"a", b"b", b"c", b"d")]).events
    assert events[1:5] == [ReasoningDelta(word, 2) for word in "abcd"]


def test_thinking_is_still_told_apart() -> None:
    parser = StreamParser(think=True)
    events = [event for word in ("a", "b", "c") for event in parser.feed(chat(word))[0]]
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a", "b", "c"]


def test_frames_after_the_last_word_say_nothing() -> None:
    parser = StreamParser()
    for word in "abcd":
        parser.feed(chat(word))
    parser.feed(b"data: [DONE]\n\n")
    assert parser.done
    assert parser.feed(chat("e")) == ([], [Frame(chat("e")[6:-2], chat("e"))])
