"""Lines as they leave the process."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from sidecar.telemetry import log


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    stream = io.StringIO()
    log.setup(stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_event_is_one_json_object_a_line(written: io.StringIO) -> None:
    log.event(logging.INFO, "config_reloaded", file="a\nb.yaml", rules=3)
    log.event(logging.DEBUG, "unseen")
    (line,) = [json.loads(line) for line in written.getvalue().splitlines()]
    assert list(line) == ["ts", "level", "event", "file", "rules"]
    assert (line["level"], line["event"], line["file"]) == ("info", "config_reloaded", "a\nb.yaml")
    assert line["ts"].endswith("Z")


def test_others_lines_are_json_too(written: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("odd %s", "thing")
    line = json.loads(written.getvalue())
    assert (line["event"], line["logger"], line["message"]) == ("log", "uvicorn.error", "odd thing")


def test_an_exception_stays_on_its_line(written: io.StringIO) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("sidecar").exception("bug")
    (line,) = written.getvalue().splitlines()
    assert "ValueError: no" in json.loads(line)["exception"]


def test_a_failing_exporter_is_heard_once(written: io.StringIO) -> None:
    for _ in range(100):
        logging.getLogger("opentelemetry.exporter.otlp").error("Failed to export")
        logging.getLogger("urllib3.connectionpool").warning("Retrying")
        logging.getLogger("sidecar").warning("ours")
    loggers = [json.loads(line)["logger"] for line in written.getvalue().splitlines()]
    assert loggers.count("sidecar") == 100
    assert loggers.count("opentelemetry.exporter.otlp") == loggers.count("urllib3.connectionpool") == 1
