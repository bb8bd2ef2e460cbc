"""The counters of one exchange."""

import math

import pytest

from sidecar.stream import events as ev
from sidecar.telemetry.gaps import GAP_BOUNDS
from sidecar.telemetry.life import Life

from .exchange import answered, routed, telemetry


def test_first_tokens_are_timed_from_accept() -> None:
    life = answered(telemetry())
    assert life.ttft_upstream == pytest.approx(0.5)
    assert life.ttft_delivered == pytest.approx(0.51)


def test_frames_before_the_first_content_are_not_the_first_token() -> None:
    life = routed(telemetry())
    life.delivered(30, 100.1)
    life.observe([ev.Start(), ev.Status("waiting")], 100.2)
    life.delivered(30, 100.3)
    assert life.ttft_upstream is None and life.ttft_delivered is None and life.tpot() is None
    assert (life.chunks, life.writes, life.bytes_out) == (0, 2, 60)


def test_bytes_count_pings_and_padding_too() -> None:
    life = answered(telemetry())
    assert (life.bytes_in, life.bytes_out, life.pings, life.padding) == (1000, 8 + 256 + 200, 1, 256)


def test_every_content_event_is_a_chunk_however_they_were_cut() -> None:
    life = routed(telemetry())
    life.observe([ev.ReasoningDelta("a"), ev.TextDelta("b"), ev.ToolCallDelta(0, "c", "n", "{}")], 101.0)
    assert life.chunks == 3 and sum(life.gaps) == 0


def test_gaps_fall_into_their_buckets() -> None:
    life = answered(telemetry())
    assert sum(life.gaps) == 3
    assert life.gap_max == pytest.approx(0.3)
    assert life.gap_p99 == pytest.approx(0.3)


def test_p99_is_an_upper_bound_within_a_quarter_octave() -> None:
    life, at = routed(telemetry()), 100.0
    for step in range(1001):
        life.observe([ev.TextDelta("x")], at)
        at += 2.0 if step == 500 else 0.03
    assert 0.03 <= life.gap_p99 <= 0.03 * 2**0.25
    assert life.gap_max == pytest.approx(2.0)


def test_gap_bounds_hold_the_octaves_of_the_conventions() -> None:
    assert {0.01 * 2**octave for octave in range(14)} <= set(GAP_BOUNDS)
    assert all(math.isclose(b / a, 2**0.25) for a, b in zip(GAP_BOUNDS, GAP_BOUNDS[1:], strict=False))


def test_tpot_divides_by_reported_tokens_less_one() -> None:
    assert answered(telemetry()).tpot() == (pytest.approx(0.1), "tokens")


@pytest.mark.parametrize(
    "usage",
    [None, ev.Usage(output_tokens=400, source="estimated"), ev.Usage(input_tokens=4), ev.Usage(output_tokens=1)],
)
def test_tpot_falls_back_to_chunks_and_says_so(usage: ev.Usage | None) -> None:
    life = routed(telemetry())
    for at in (101.0, 101.2, 101.4):
        life.observe([ev.TextDelta("x")], at)
    if usage:
        life.observe([usage], 101.4)
    assert life.tpot() == (pytest.approx(0.2), "chunks")


def test_reasoning_that_was_not_streamed_is_not_divided_by() -> None:
    usage = ev.Usage(output_tokens=105, reasoning_tokens=100)
    hidden, shown = routed(telemetry()), routed(telemetry())
    shown.observe([ev.ReasoningDelta("hm")], 101.0)
    for life in (hidden, shown):
        life.observe([ev.TextDelta("x")], 101.0)
        life.observe([ev.TextDelta("x"), usage], 101.4)
    assert hidden.tpot() == (pytest.approx(0.4 / 4), "tokens")
    assert shown.tpot() == (pytest.approx(0.4 / 104), "tokens")


def test_one_chunk_has_no_time_between() -> None:
    life = routed(telemetry())
    life.observe([ev.TextDelta("x"), ev.Usage(output_tokens=50)], 101.0)
    assert life.tpot() is None and life.gap_p99 == 0.0


def test_stalls_are_told_apart_by_who_was_silent() -> None:
    life = routed(telemetry())
    life.observe([ev.TextDelta("x")], 101.0)
    life.delivered(10, 104.0, waited=3.0)
    life.observe([ev.TextDelta("x")], 104.1)
    assert (life.stalls_client, life.stalls_upstream) == (1, 0)
    life.observe([ev.TextDelta("x")], 106.0)
    assert (life.stalls_client, life.stalls_upstream) == (1, 1)


def ended(outcome: str, *events: ev.AnyEvent) -> Life:
    life = routed(telemetry())
    life.observe(events, 101.0)
    life.end(outcome, 200, 102.0)
    return life


def test_a_choice_that_never_finished_says_error() -> None:
    two = (ev.TextDelta("a"), ev.TextDelta("b", choice=1), ev.Finish("stop", choice=1))
    assert ended("truncated", *two).finish_reasons() == ["error", "stop"]
    assert ended("client_left").finish_reasons() == ["error"]


def test_a_whole_stream_says_what_it_said() -> None:
    assert ended("length", ev.TextDelta("a"), ev.Finish("length", raw="max_tokens")).finish_reasons() == ["length"]
    assert ended("completed", ev.TextDelta("plain text has no reason")).finish_reasons() == []


def test_an_absurd_choice_is_bounded() -> None:
    assert len(ended("truncated", ev.TextDelta("a", choice=10**9)).finish_reasons()) == 129


def test_the_first_end_counts() -> None:
    life = answered(telemetry())
    life.end("client_left", 499, 101.5)
    life.end("completed", 200, 109.0)
    assert (life.outcome, life.status, life.ended_at) == ("client_left", 499, 101.5)


def test_a_long_model_name_is_cut() -> None:
    assert len(routed(telemetry(), model="m" * 5000).model) == 200


def test_tool_calls_and_the_broken_among_them_are_counted() -> None:
    life = ended("completed", ev.ToolCallEnd(0), ev.ToolCallEnd(1, invalid=True))
    assert (life.tool_calls, life.invalid_tool_calls) == (2, 1)
