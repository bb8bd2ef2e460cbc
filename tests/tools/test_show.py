"""What the demo prints fits 80 columns and is plain where nobody wants colours."""

import asyncio
import io

import pytest

from sidecar.tools import show as show_module
from sidecar.tools.show import Show, Verdict, clip, fold


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def no_time_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show_module, "READING", 0)


def everything(out: io.StringIO) -> list[str]:
    show = Show(out)
    sentence = "A sentence that says what is to be seen and is a good deal longer than one line is."
    asyncio.run(show.title(1, "A scene", sentence))
    show.line("backend", "x" * 200, "backend")
    for word in ("word " * 60).split():
        show.inline("client", f" {word}", "client")
    show.say("Said after an open line.")
    show.summary([Verdict.of("A scene", "much " * 30, "little " * 30, False), Verdict("B", "a", "b", "skipped")])
    return out.getvalue().splitlines()


def test_no_line_is_wider_than_80_columns() -> None:
    lines = everything(io.StringIO())
    assert len(lines) > 10 and max(map(len, lines)) <= 80


def test_a_pipe_gets_no_colours_and_a_terminal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in "".join(everything(io.StringIO()))
    assert "\x1b[1;31mFAILED" in "".join(everything(Terminal()))


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "".join(everything(Terminal()))


def test_an_open_line_is_closed_before_a_new_one() -> None:
    out = io.StringIO()
    show = Show(out)
    show.inline("client", "Every")
    show.inline("client", " token")
    show.line("client", "is told")
    assert out.getvalue() == "    client   Every token\n    client   is told\n"


def test_a_long_line_is_folded_at_blanks_and_commas_and_loses_nothing() -> None:
    assert fold("one two three", 7) == ["one two", "three"]
    assert fold('{"a":1,"b":2,"c":3}', 12) == ['{"a":1,', '"b":2,"c":3}']


def test_clip_says_that_it_cut() -> None:
    assert clip("a\nb", 10) == "a b" and clip("x" * 11, 10) == "x" * 9 + "…"
