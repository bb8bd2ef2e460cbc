"""Lines as they leave the process."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from sidecar.telemetry import log


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(root, "handlers", [])
    stream = io.StringIO()
    log.setup(stream)
    yield stream
    root.setLevel(level)


@pytest.fixture(params=["past stdlib logging", "through it"])
def alone(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Called in a test, it leaves our handler alone with the root logger, or in the company of pytest's."""

    def act() -> None:
        root = logging.getLogger()
        if request.param == "past stdlib logging":
            root.handlers[:] = [handler for handler in root.handlers if isinstance(handler, log.Lines)]
        assert (len(root.handlers) == 1) == (request.param == "past stdlib logging")

    return act


def test_an_event_is_one_json_object_a_line(written: io.StringIO, alone: Callable[[], None]) -> None:
    alone()
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


class Odd:
    def __str__(self) -> str:
        return "odd"


@pytest.mark.parametrize(
    "value", ["a", "\x7f", "\x1b[31m\r\n", "é\u2028", "\ud800", '"\\', 1.5, 0, -0.0, True, None, 2**70]
)
def test_a_value_is_written_as_json_writes_it(written: io.StringIO, alone: Callable[[], None], value: object) -> None:
    alone()
    log.event(logging.INFO, "said", value=value, more=["a", value])
    log.event(logging.INFO, "said", value=value)
    for line in written.getvalue().splitlines():
        assert line == json.dumps(json.loads(line)) and line.isascii() and line.isprintable()
        assert json.loads(line)["value"] == value


def test_what_is_no_json_is_written_as_its_words(written: io.StringIO, alone: Callable[[], None]) -> None:
    alone()
    log.event(logging.INFO, "said", odd=Odd(), at=datetime(2026, 1, 2, tzinfo=UTC), raw=b"x", many=[Odd()])
    line = json.loads(written.getvalue())
    assert (line["odd"], line["at"], line["raw"], line["many"]) == ("odd", "2026-01-02 00:00:00+00:00", "b'x'", ["odd"])


def test_who_else_listens_hears_events_too(written: io.StringIO) -> None:
    heard: list[logging.LogRecord] = []
    other = logging.Handler()
    other.emit = heard.append  # type: ignore[method-assign]
    logging.getLogger().handlers[:] = logging.getLogger().handlers[:1]
    log.event(logging.INFO, "first", n=1)
    for listened in (logging.getLogger(), logging.getLogger("sidecar")):
        listened.addHandler(other)
        log.event(logging.WARNING, "second", n=2)
        listened.removeHandler(other)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(line["level"], line["event"], line["n"]) for line in lines] == [
        ("info", "first", 1),
        ("warning", "second", 2),
        ("warning", "second", 2),
    ]
    assert [(record.getMessage(), record.levelno) for record in heard] == [("second", logging.WARNING)] * 2


def test_a_stream_that_is_closed_is_no_ones_failure(
    written: io.StringIO, alone: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    alone()
    written.close()
    log.event(logging.INFO, "lost")
    assert "I/O operation on closed file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "at", [0.0, 1.5, 1_700_000_000.123456, 1_700_000_000.0009999, 1_699_999_999.9999999, 951_782_400.25]
)
def test_the_time_is_utc_to_the_millisecond(at: float) -> None:
    said = json.loads(log.Json().line(at, "INFO", "e", {}))["ts"]
    assert said == datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_each_second_is_spelt_anew() -> None:
    written = log.Json()
    said = [json.loads(written.line(at, "INFO", "e", {}))["ts"] for at in (59.9, 59.95, 60.0, 59.9)]
    assert said == [f"1970-01-01T00:{rest}Z" for rest in ("00:59.900", "00:59.950", "01:00.000", "00:59.900")]
