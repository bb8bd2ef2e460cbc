"""What every request gets, exporters or not."""

import json
import logging
import re

import pytest

from sidecar.telemetry.log import Json

from .exchange import PROMPT, SECRET, Decision, Upstream, answered, routed, scope, telemetry
from .test_trace import GOOD, ID

KEYS = [
    *("event outcome stream trace_id rule upstream dialect format model status".split()),
    *("ttft_ms duration_ms chunks bytes".split()),
]


def test_without_exporters_there_is_no_span_and_the_callers_headers_stay() -> None:
    life = routed(telemetry(), (b"traceparent", GOOD))
    assert life.server_span is None and life.client_span is None
    assert life.upstream_headers() == []
    assert dict(life.response_headers())[b"traceresponse"].split(b"-")[1] == ID


def test_ids_are_random_and_well_formed() -> None:
    told = telemetry()
    one, two = routed(told), routed(told)
    assert re.fullmatch(r"s_[0-9a-f]{32}", one.stream_id) and one.stream_id != two.stream_id
    assert re.fullmatch(r"[0-9a-f]{32}", one.trace_id) and one.trace_id != two.trace_id
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-00", dict(one.response_headers())[b"traceresponse"])


def test_chance_is_an_argument() -> None:
    one, two = (routed(telemetry(entropy=lambda n: bytes(range(n)))) for _ in range(2))
    assert one.stream_id == two.stream_id == "s_" + bytes(range(16)).hex()


def test_the_clients_request_id_is_kept_if_sane() -> None:
    kept = telemetry().begin(scope((b"x-request-id", b"abc-1")), 0.0)
    made = telemetry().begin(scope((b"x-request-id", b"a b\r\nx: y")), 0.0)
    assert dict(kept.response_headers())[b"x-request-id"] == b"abc-1"
    assert re.fullmatch(rb"[0-9a-f]{32}", dict(made.response_headers())[b"x-request-id"])


def test_only_a_stream_has_a_stream_id_to_show() -> None:
    told = telemetry()
    stream, plain = routed(told), routed(told, stream=False)
    assert dict(stream.response_headers())[b"x-stream-id"] == stream.stream_id.encode()
    assert b"x-stream-id" not in dict(plain.response_headers())


def test_streams_in_flight_are_listed_until_they_end() -> None:
    told = telemetry()
    life = answered(told)
    (row,) = told.streams(103.0)
    assert row["id"] == life.stream_id and row["age_s"] == 3.0 and row["idle_s"] == 2.0
    assert (row["rule"], row["upstream"], row["model"], row["chunks"]) == ("chat", "backend", "gpt-4o", 4)
    assert PROMPT not in repr(row) and SECRET not in repr(row)
    life.end("completed", 200, 104.0)
    assert told.streams(105.0) == [] and told.active() == []


def written(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Ours alone: an exporter that another test left behind may still complain in its own thread."""
    return [Json().format(record) for record in caplog.records if record.name == "sidecar"]


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [json.loads(line) for line in written(caplog)]


def test_a_stream_is_one_line_with_the_trace_id(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sidecar"):
        life = answered(telemetry(), (b"traceparent", GOOD))
        life.end("completed", 200, 101.5)
        life.end("stalled", 504, 109.0)
    (line,) = lines(caplog)
    assert list(line) == ["ts", "level", *KEYS]
    assert line["trace_id"] == ID.decode() and line["stream"] == life.stream_id
    assert (line["event"], line["level"], line["outcome"], line["status"]) == ("stream", "info", "completed", 200)
    assert (line["ttft_ms"], line["duration_ms"], line["chunks"], line["bytes"]) == (510.0, 1500.0, 4, 464)
    assert SECRET not in json.dumps(line) and PROMPT not in json.dumps(line)


def test_frames_that_nobody_knew_are_told_where_there_were_some(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sidecar"):
        life = routed(telemetry())
        life.unknown_frames = 3
        life.end("completed", 200, 101.0)
    (line,) = lines(caplog)
    assert line["unknown_frames"] == 3


def test_a_bad_outcome_is_a_warning_and_an_excluded_one_is_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sidecar"):
        routed(telemetry()).end("stalled", 200, 101.0)
        routed(telemetry()).end("client_left", 499, 101.0)
    assert [(line["level"], line["ttft_ms"]) for line in lines(caplog)] == [("warning", None), ("info", None)]


def test_a_plain_request_is_silent_unless_it_failed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sidecar"):
        routed(telemetry(), stream=False).end("completed", 200, 101.0)
        routed(telemetry(), stream=False).end("rejected", 404, 101.0)
        assert lines(caplog) == []
        routed(telemetry(), stream=False).end("connect_failed", 502, 101.0)
    (line,) = lines(caplog)
    assert (line["event"], line["path"], line["level"]) == ("request", "/v1/chat/completions", "warning")


def test_a_models_name_cannot_break_or_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    model = 'm\r\n{"event":"stream"}\x1b[31m\u2028é\ud800'
    with caplog.at_level(logging.INFO, "sidecar"):
        routed(telemetry(), model=model).end("completed", 200, 101.0)
    (line,) = written(caplog)
    assert line.isascii() and line.isprintable()
    assert json.loads(line)["model"] == model


def test_the_last_upstream_and_dialect_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sidecar"):
        life = telemetry().begin(scope(), 0.0)
        life.routed(Decision(), upstream=Upstream(), dialect="auto", model="m", format="passthrough", stream=True)
        life.dialect, life.upstream = "ollama", Upstream("second", "http://b")
        life.end("completed", 200, 1.0)
    assert (lines(caplog)[0]["dialect"], lines(caplog)[0]["upstream"]) == ("ollama", "second")
