"""What a token costs in each dialect, from bytes to events to bytes, without a network: `python -m bench.dialects`.

A stream is a fixture of the tests: its frames up to one that says text, that frame again and again, and its last
frames. One frame is one chunk. Only the repeated ones are timed.
"""

import argparse
import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import msgspec

from bench.machine import PROXY_CORE, ROOT, interpreter, packages
from sidecar.stream.events import End, Event, TextDelta
from sidecar.stream.framing import Frame
from sidecar.stream.parser import StreamParser
from sidecar.stream.wires import make

FIXTURES = ROOT / "tests" / "fixtures"
HOTTEST = (
    "openai-chat/text.sse",
    "anthropic/text.sse",
    "gemini/text-crlf.sse",
    "openai-responses/text.sse",
    "ollama/chat.ndjson",
)
OTHERS = (
    "gemini/array.json",
    "openai-chat/completions.sse",
    "ollama/generate.ndjson",
    "bedrock-agents/agent.bin",
    "bedrock/converse.bin",
    "bedrock/invoke-anthropic.bin",
    "sagemaker/lines.bin",
    "sagemaker/words.bin",
    "lmstudio/reasoning.sse",
    "cohere/v1.ndjson",
    "cohere/v2.sse",
    "openai-assistants/text.sse",
    "openai-transcription/deltas-crlf.sse",
    "gemini-interactions/text.sse",
    "llamacpp/text.sse",
    "tgi/details.sse",
    "sglang/incremental.sse",
    "sglang/cumulative.sse",
    "dashscope/incremental.sse",
    "dashscope/cumulative.sse",
    "dify/chat.sse",
    "watsonx/text.sse",
    "replicate/text.sse",
    "ag-ui/text.sse",
    "vercel-ui/text.sse",
    "vercel-data/text.txt",
    "gradio/chat.sse",
    "koboldcpp/text.sse",
    "triton/text.sse",
    "adk/text.sse",
    "cloudflare/text.sse",
    "writer-completions/text.sse",
    "homemade/content-then-done.sse",
    "homemade/chunk-types.sse",
    "homemade/envelope-v1.sse",
    "homemade/lines.ndjson",
    "generic/text-and-done.sse",
    "generic/finish-and-usage.ndjson",
    "text/plain.txt",
    "text/tokens.sse",
)
"""Every dialect, and each of its framings."""


class Cost(msgspec.Struct):
    """One row: bytes of a token's frame, and microseconds of CPU a token.

    `bare` is one `msgspec.json.decode` of the same data, zero where it is no JSON; `decode` the parser alone; the
    others parser and encoder: `named` with the dialect told, not recognised, `escaped` with a line feed in every word.
    """

    name: str
    size: int
    bare: float
    decode: float
    envelope: float
    passthrough: float
    named: float
    escaped: float


class Stream:
    """The pieces of one fixture's long stream; the head ends with the frame that is repeated, of `data`."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.dialect = name.partition("/")[0]
        self.event_stream = name.endswith(".sse")
        frames = self._frames()
        raws = [frame.raw for frame in frames]
        chosen = self._longest(raws) + 1
        self.head, self.last = raws[:chosen], raws[chosen:]
        self.data = frames[chosen - 1].data or b""
        self.tokens, self.escaped = self._tokens(count)

    def parser(self, dialect: str = "auto") -> StreamParser:
        return StreamParser(dialect, self.event_stream)

    def _frames(self) -> list[Frame]:
        parser = self.parser()
        return parser.feed((FIXTURES / self.name).read_bytes())[1] + parser.eof()[1]

    def _longest(self, raws: list[bytes]) -> int:
        """The place of the longest frame that says text, and not that it was the last."""
        parser = self.parser()
        said = [(parser.feed(raw)[0], parser.finished) for raw in raws]
        words = [at for at, (events, finished) in enumerate(said) if _text(events) and not finished]
        # the first, said twice, might be the beginning of what says all of the text so far
        return max(words[1:] or words, key=lambda at: (len(raws[at]), at))

    def _tokens(self, count: int) -> tuple[list[bytes], list[bytes]]:
        """The frame with a number before its text, and with a line feed before that, each an object of its own as from
        a socket; of one that says all of the text so far, each is four characters longer, as a token is."""
        parser = self.parser()
        said = [_text(parser.feed(raw)[0]) for raw in self.head]
        raw = self.head[-1]
        if not _text(parser.feed(raw)[0]):
            whole = msgspec.json.encode("".join(said))[:-1]
            longer = [raw.replace(whole, whole + b" all" * number, 1) for number in range(1, count + 1)]
            return longer, longer
        plain = [self._with(raw, said[-1], b"%d " % number) for number in range(count)]
        return plain, [self._with(raw, said[-1], rb"\n%d " % number) for number in range(count)]

    def _with(self, raw: bytes, text: str, more: bytes) -> bytes:
        """A copy of the frame, with more JSON text before its own where it has no checksum."""
        said = msgspec.json.encode(text)
        return bytes(bytearray(raw)) if self.name.endswith(".bin") else raw.replace(said, b'"' + more + said[1:], 1)


def _text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta) and not event.refusal)


def measured(names: Sequence[str], tokens: int, rounds: int) -> list[Cost]:
    """Every row in turn, again and again, since the machine is not ours alone; the least that each took."""
    streams = [Stream(name, tokens) for name in names]
    least: list[dict[str, float]] = [{} for _ in streams]
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for stream, found in zip(streams, least, strict=True):
            for name, value in _once(stream):
                found[name] = min(value, found.get(name, value))
    rows = zip(streams, least, strict=True)
    return [Cost(stream.name, len(stream.head[-1]), **found) for stream, found in rows]


def _once(stream: Stream) -> Iterator[tuple[str, float]]:
    yield "bare", _bare(stream)
    yield "decode", _decoding(stream)
    yield "envelope", _relaying(stream, stream.tokens)
    yield "passthrough", _relaying(stream, stream.tokens, format="passthrough")
    yield "named", _relaying(stream, stream.tokens, stream.dialect)
    yield "escaped", _relaying(stream, stream.escaped)


def _bare(stream: Stream) -> float:
    decode, data, count = msgspec.json.decode, stream.data, len(stream.tokens)
    try:
        decode(data)
    except ValueError:
        return 0.0
    began = time.process_time()
    for _ in range(count):
        decode(data)
    return _each(began, count)


def _decoding(stream: Stream) -> float:
    parser = stream.parser()
    for raw in stream.head:
        parser.feed(raw)
    feed = parser.feed
    began = time.process_time()
    for raw in stream.tokens:
        feed(raw)
    return _each(began, len(stream.tokens))


def _relaying(stream: Stream, tokens: list[bytes], dialect: str = "auto", format: str = "envelope-v1") -> float:
    parser, wire = stream.parser(dialect), make(format)
    for raw in stream.head:
        wire.encode(*parser.feed(raw))
    feed, encode = parser.feed, wire.encode
    began = time.process_time()
    for raw in tokens:
        events, frames = feed(raw)
        encode(events, frames)
    took = _each(began, len(tokens))
    if parser.done:
        raise ValueError(f"{stream.name} ended in the middle")
    events = [event for raw in stream.last for event in parser.feed(raw)[0]] + parser.eof()[0]
    if not isinstance(events[-1], End):
        raise ValueError(f"{stream.name} broke off: {events[-1]}")
    return took


def _each(began: float, count: int) -> float:
    return (time.process_time() - began) / count * 1e6


def apart(names: Sequence[str], tokens: int, rounds: int) -> list[Cost]:
    """The same from a process of its own: the interpreter that runs the sidecar, on the proxies' core."""
    command = [interpreter(), "-m", "bench.dialects", f"--tokens={tokens}", f"--rounds={rounds}", *names]
    environ = os.environ | {"PYTHONPATH": packages()}
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=list[Cost])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.dialects", description=__doc__)
    parser.add_argument("--tokens", type=int, default=2000, metavar="N", help="tokens a stream")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="runs of each row")
    parser.add_argument("rows", nargs="*", help="fixtures, DIALECT/FILE; without one all")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {PROXY_CORE})
    found = measured(asked.rows or [*HOTTEST, *OTHERS], asked.tokens, asked.rounds)
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
