"""W3C trace context, as https://www.w3.org/TR/trace-context/ says what is valid."""

import pytest

from sidecar.telemetry.trace import Trace, asked, traceparent

ID = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
GOOD = b"00-" + ID + b"-" + SPAN + b"-01"


def test_a_valid_context_is_read() -> None:
    found = asked([(b"traceparent", GOOD), (b"tracestate", b"a=1, b=2"), (b"tracestate", b"c=3")]).trace
    assert found == Trace(ID.decode(), SPAN.decode(), 1, "a=1,b=2,c=3")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"garbage",
        GOOD.upper(),
        GOOD + b"-extra",
        GOOD + b"0",
        b"ff" + GOOD[2:],
        b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
        b"00-" + ID + b"-" + b"0" * 16 + b"-01",
        b"00-" + ID[:-1] + b"-" + SPAN + b"-01",
        b"00-" + ID + b"-" + SPAN + b"-1",
        b"00_" + GOOD[3:],
        GOOD + b"\n-x",
    ],
)
def test_an_invalid_one_is_as_if_absent(value: bytes) -> None:
    assert asked([(b"traceparent", value), (b"tracestate", b"a=1")]).trace is None


def test_two_contexts_are_none() -> None:
    assert asked([(b"traceparent", GOOD), (b"traceparent", GOOD)]).trace is None


def test_a_later_version_may_say_more() -> None:
    found = asked([(b"traceparent", b"01" + GOOD[2:] + b"-more")]).trace
    assert found is not None and found.trace_id == ID.decode()


def test_a_state_beyond_its_bounds_is_dropped_alone() -> None:
    many = b",".join(b"k%d=v" % n for n in range(33))
    for state in (many, b"a=" + b"x" * 9000, "a=ü".encode()):
        found = asked([(b"traceparent", GOOD), (b"tracestate", state)]).trace
        assert found is not None and found.state == ""


@pytest.mark.parametrize("value", [b"", b"a b", b"x" * 129, b"a\nb", "ü".encode(), b'"'])
def test_an_unfit_request_id_is_not_kept(value: bytes) -> None:
    assert asked([(b"x-request-id", value)]).request_id == ""


def test_a_sane_request_id_is_kept() -> None:
    assert asked([(b"x-request-id", b"Req_1.a-B")]).request_id == "Req_1.a-B"


def test_what_we_write_we_read() -> None:
    found = asked([(b"traceparent", traceparent(ID.decode(), SPAN.decode(), 0))]).trace
    assert found == Trace(ID.decode(), SPAN.decode(), 0)
