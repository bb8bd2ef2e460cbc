"""Every dialect has a row, and its long stream is a whole answer of that dialect."""

from pathlib import Path

import pytest

from bench import __main__ as bench
from bench.dialects import HOTTEST, OTHERS, Stream, measured
from sidecar.stream.dialects import ORDER
from sidecar.stream.events import End, TextDelta

ROWS = (*HOTTEST, *OTHERS)


def test_every_dialect_has_a_row() -> None:
    assert {name.partition("/")[0] for name in ROWS} == set(ORDER)
    assert len(set(ROWS)) == len(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_every_token_says_text(name: str) -> None:
    stream = Stream(name, 20)
    for tokens in (stream.tokens, stream.escaped):
        parser = stream.parser()
        for raw in stream.head:
            parser.feed(raw)
        for raw in tokens:
            assert any(isinstance(event, TextDelta) for event in parser.feed(raw)[0])
        assert parser.dialect == stream.dialect
        events = [event for raw in stream.last for event in parser.feed(raw)[0]] + parser.eof()[0]
        assert isinstance(events[-1], End)


def test_the_page_has_their_rows(tmp_path: Path) -> None:
    out = tmp_path / "results.md"
    size = ["--parts", "dialects", "--rounds", "1", "--words", "20", "--dialects", "ollama|text/plain"]
    bench.main([*size, "--out", str(out)])
    lines = [line for line in out.read_text().splitlines() if "ollama/" in line or "plain.txt" in line]
    rows = [line.strip("| ").split(" | ") for line in lines]
    assert [row[0] for row in rows] == ["**ollama/chat.ndjson**", "ollama/generate.ndjson", "text/plain.txt"]
    assert all(float(cell) > 0 for row in rows for cell in row[5:])


def test_what_breaks_off_is_no_row() -> None:
    with pytest.raises(ValueError, match="broke off"):
        measured(["ollama/truncated.ndjson"], 5, 1)
