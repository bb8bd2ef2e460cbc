"""The Prometheus page, read by Prometheus' own parser."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from sidecar.telemetry.metrics import MAX_MODELS
from sidecar.telemetry.telemetry import Telemetry

from .exchange import PROMPT, SECRET, answered, routed, telemetry


@pytest.fixture
def told() -> Telemetry:
    return telemetry()


def samples(told: Telemetry) -> list[Sample]:
    families = text_string_to_metric_families(told.metrics_page().decode())
    return [sample for family in families for sample in family.samples]


def value(told: Telemetry, name: str, **labels: str) -> float:
    found = [s.value for s in samples(told) if s.name == name and labels.items() <= s.labels.items()]
    assert len(found) == 1, (name, labels, found)
    return float(found[0])


def test_an_outcome_is_counted_under_its_exact_name(told: Telemetry) -> None:
    answered(told).end("completed", 200, 102.0)
    answered(told).end("client_left", 499, 102.0)
    answered(told).end("client_left", 499, 102.0)
    labels = {"rule": "chat", "upstream": "backend", "dialect": "openai-chat", "format": "envelope-v1"}
    assert value(told, "sidecar_stream_outcomes_total", outcome="completed", **labels) == 1
    assert value(told, "sidecar_stream_outcomes_total", outcome="client_left", **labels) == 2


def test_active_streams_go_up_and_down(told: Telemetry) -> None:
    assert value(told, "sidecar_stream_active") == 0
    lives = [routed(told), routed(told), routed(told, stream=False)]
    assert value(told, "sidecar_stream_active") == 2
    for life in lives:
        life.end("completed", 200, 101.0)
    assert value(told, "sidecar_stream_active") == 0


@pytest.mark.parametrize(
    ("name", "count", "total"),
    [
        ("sidecar_stream_ttft_upstream_seconds", 1, 0.5),
        ("sidecar_stream_ttft_delivered_seconds", 1, 0.51),
        ("sidecar_stream_tpot_seconds", 1, 0.1),
        ("sidecar_stream_gap_seconds", 3, 0.5),
        ("gen_ai_client_operation_duration_seconds", 1, 1.5),
        ("gen_ai_client_operation_time_to_first_chunk_seconds", 1, 0.5),
        ("gen_ai_client_operation_time_per_output_chunk_seconds", 3, 0.5),
        ("gen_ai_server_time_to_first_token_seconds", 1, 0.5),
        ("gen_ai_server_time_per_output_token_seconds", 1, 0.1),
        ("http_server_request_duration_seconds", 1, 1.5),
    ],
)
def test_each_histogram_has_its_values_in_more_than_one_bucket(
    told: Telemetry, name: str, count: int, total: float
) -> None:
    answered(told).end("completed", 200, 101.5)
    assert value(told, name + "_count") == count
    assert value(told, name + "_sum") == pytest.approx(total)
    buckets = [s.value for s in samples(told) if s.name == name + "_bucket"]
    assert buckets == sorted(buckets) and buckets[0] == 0 and buckets[-1] == count


def test_tokens_are_counted_by_type(told: Telemetry) -> None:
    answered(told).end("completed", 200, 101.5)
    assert value(told, "gen_ai_client_token_usage_sum", gen_ai_token_type="input") == 9
    assert value(told, "gen_ai_client_token_usage_sum", gen_ai_token_type="output") == 6


def test_sums_add_up(told: Telemetry) -> None:
    for _ in range(2):
        answered(told).end("completed", 200, 101.5)
    assert value(told, "sidecar_stream_pings_total") == 2
    assert value(told, "sidecar_stream_padding_bytes_total") == 512
    assert value(told, "sidecar_stream_received_bytes_total") == 2000
    assert value(told, "sidecar_stream_delivered_bytes_total") == 928
    assert value(told, "sidecar_stream_stalls_total", cause="upstream") == 0


def test_a_failed_reload_raises_its_gauge(told: Telemetry) -> None:
    assert value(told, "sidecar_config_reload_failed") == 0
    told.reload_failed(True)
    assert value(told, "sidecar_config_reload_failed") == 1
    told.reload_failed(False)
    assert value(told, "sidecar_config_reload_failed") == 0


def test_the_build_says_its_version(told: Telemetry) -> None:
    assert value(told, "sidecar_build_info", version="1.2.3") == 1


def test_a_failed_stream_says_why_and_has_no_time_per_token(told: Telemetry) -> None:
    answered(told).end("truncated", 200, 101.5)
    assert value(told, "gen_ai_client_operation_duration_seconds_count", error_type="truncated") == 1
    assert not [s for s in samples(told) if s.name.startswith("gen_ai_server_time_per_output_token")]


@pytest.mark.parametrize("act", [lambda told: routed(told, stream=False), lambda told: told.begin(SCOPE, 100.0)])
def test_what_is_no_stream_is_only_an_http_request(told: Telemetry, act: Callable[[Telemetry], object]) -> None:
    life = act(told)
    life.end("completed", 204, 101.0)  # type: ignore[attr-defined]
    assert value(told, "http_server_request_duration_seconds_count", http_response_status_code="204") == 1
    named = {s.name for s in samples(told)}
    assert not [name for name in named if name.startswith(("gen_ai", "sidecar_stream_outcomes"))]


SCOPE = {"type": "http", "method": "BREW", "path": "/" + SECRET, "headers": []}


def test_a_client_cannot_make_more_than_so_many_models(told: Telemetry) -> None:
    for number in range(MAX_MODELS + 50):
        routed(told, model=f"model-{number}").end("completed", 200, 101.0)
    models = {s.labels["gen_ai_request_model"] for s in samples(told) if "gen_ai_request_model" in s.labels}
    assert len(models) == MAX_MODELS + 1 and "other" in models
    assert value(told, "gen_ai_client_operation_duration_seconds_count", gen_ai_request_model="other") == 50


def test_a_client_cannot_make_labels_of_its_own(told: Telemetry) -> None:
    told.begin(SCOPE, 0.0).end("rejected", 501, 1.0)
    assert value(told, "http_server_request_duration_seconds_count", http_request_method="_OTHER") == 1
    assert SECRET.encode() not in told.metrics_page()


def test_the_model_is_no_label_of_ours(told: Telemetry) -> None:
    answered(told).end("completed", 200, 101.5)
    assert not [s for s in samples(told) if s.name.startswith("sidecar_") and "gpt-4o" in s.labels.values()]


def test_no_secret_and_no_text_is_on_the_page(told: Telemetry) -> None:
    answered(told).end("upstream_error", 502, 101.5)
    page = told.metrics_page().decode()
    assert "upstream_error" in page and SECRET not in page and PROMPT not in page


def test_the_page_may_be_read_again_and_again(told: Telemetry) -> None:
    answered(told).end("completed", 200, 101.5)
    assert samples(told) == samples(told)


def test_loop_lag_is_told() -> None:
    ticks = [2.25, 1.25, 1.25, 0.0, 0.0]
    told = telemetry(clock=ticks.pop)

    async def main() -> None:
        with pytest.raises(IndexError):
            await told.heartbeat.run(every=0)

    asyncio.run(main())
    assert value(told, "sidecar_loop_lag_seconds_count") == 2
    assert value(told, "sidecar_loop_lag_seconds_sum") == pytest.approx(2.25)
