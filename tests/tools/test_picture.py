"""The picture and the report of two deliveries."""

import json
from xml.etree import ElementTree

import pytest

from sidecar.tools.delivery import Delivery, report
from sidecar.tools.picture import svg

LUMP = Delivery("without <the> headers", (2.0, 2.001, 2.002, 2.003))
LIVE = Delivery("with them", (0.1, 0.7, 1.4, 2.0))
SVG = "{http://www.w3.org/2000/svg}"


def circles(kind: str) -> list[tuple[float, float]]:
    found = ElementTree.fromstring(svg([LUMP, LIVE])).iter(f"{SVG}circle")
    return [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in found if c.attrib["class"] == kind]


def test_each_token_is_a_dot_within_the_picture() -> None:
    width, height = (float(side) for side in ElementTree.fromstring(svg([LUMP, LIVE])).attrib["viewBox"].split()[2:])
    assert len(circles("held")) == len(circles("live")) == 4
    assert all(0 < x < width and 0 < y < height for kind in ("held", "live") for x, y in circles(kind))


def test_a_lump_is_stacked_and_a_live_stream_is_a_row() -> None:
    assert len({x for x, _ in circles("held")}) == 1 and len({y for _, y in circles("held")}) == 4
    assert len({x for x, _ in circles("live")}) == 4 and len({y for _, y in circles("live")}) == 1


def test_the_numbers_and_both_colour_schemes_are_in_it() -> None:
    words = " ".join(ElementTree.fromstring(svg([LUMP, LIVE])).itertext())
    assert "TTFT 2.00 s, all 4 tokens at once" in words and "TTFT 0.10 s, TPOT 633 ms" in words
    assert "without <the> headers" in words and "prefers-color-scheme: dark" in words


@pytest.mark.parametrize("seconds", [0.004, 0.3, 9.0, 45.0, 400.0])
def test_the_axis_has_a_readable_number_of_ticks(seconds: float) -> None:
    texts = ElementTree.fromstring(svg([Delivery("x", (0.0, seconds))])).iter(f"{SVG}text")
    ticks = [text.text for text in texts if text.attrib["class"] == "quiet small"]
    assert 2 <= len(ticks) <= 12


def test_the_report_holds_times_and_numbers() -> None:
    told = json.loads(report([LUMP, LIVE]))["deliveries"][1]
    assert told == {"name": "with them", "tokens": 4, "ttft_s": 0.1, "tpot_s": 0.6333, "at_s": [0.1, 0.7, 1.4, 2.0]}
