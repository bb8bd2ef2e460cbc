"""An object is whole when its own bracket closes, wherever the text was cut."""

import itertools
import time

import pytest

from sidecar.stream.brackets import Brackets
from sidecar.stream.events import ToolCallDelta
from sidecar.stream.toolcalls import ToolCalls

WHOLE = ["{}", " {} ", '{"a":{"b":1}}', '{"a":"}"}', r'{"a":"\"}"}', r'{"a":"\\"}', '{"a":[{}]}', "\n{\n}\n"]
PARTS = ["", " ", "{", '{"a', '{"a}', '{"a":"}"', r'{"a":"\"}', "{}x", "{}{}", "x{}", "[{}]", "1", "}{"]


@pytest.mark.parametrize("text", [*WHOLE, *PARTS])
def test_it_is_whole_or_not_however_it_is_cut(text: str) -> None:
    assert Brackets(text).whole is (text in WHOLE)
    for first, second in itertools.combinations_with_replacement(range(len(text) + 1), 2):
        brackets = Brackets()
        for piece in (text[:first], text[first:second], text[second:]):
            brackets.feed(piece)
        assert brackets.whole is (text in WHOLE), (text[:first], text[first:second], text[second:])


@pytest.mark.parametrize("fragment", ["{", '{"', '{"a":"', '{"a":{}', "{}", ' {"a":1}', '{"a\\'])
def test_many_fragments_that_begin_anew_are_quick(fragment: str) -> None:
    """Work that grows with the square of the arguments would take hours here."""
    calls, began = ToolCalls(0), time.process_time()
    for _ in range(200_000):
        calls.delta(ToolCallDelta(0, "", "f", fragment))
    calls.end_all(cut=False)
    assert time.process_time() - began < 20
