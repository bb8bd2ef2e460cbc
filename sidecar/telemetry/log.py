"""One JSON object a line, through stdlib logging.

Non-ASCII and control characters leave escaped: a client's words cannot break a line or forge one.
"""

import json
import logging
import time
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

NOISY = ("opentelemetry", "urllib3", "requests")
NOISE_EVERY_S = 60.0

_log = logging.getLogger("sidecar")


def setup(stream: TextIO, level: str = "info") -> None:
    """Make the root logger write JSON lines to `stream`; `level` is a word of stdlib logging."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json())
    handler.addFilter(Quiet())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # four lines of its own at each start, for each port
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)  # they say headers at debug, Authorization among them


def event(level: int, name: str, **fields: Any) -> None:
    """Log what happened; `fields` are JSON values and follow `ts`, `level` and `event`."""
    if _log.isEnabledFor(level):
        _log.log(level, name, extra={"fields": fields})


def failed(name: str, error: BaseException | None, **fields: Any) -> None:
    """Log a fault of our own: its kind and where it was, never its words, which may be a client's."""
    frames = traceback.extract_tb(error.__traceback__)[-5:] if error else ()
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    event(logging.ERROR, name, error=type(error).__name__ if error else "unfinished", where=where, **fields)


class Json(logging.Formatter):
    """A record as one JSON object; one that is not an `event` of ours has `event` log, `logger` and `message`."""

    def format(self, record: logging.LogRecord) -> str:
        ts = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"ts": ts.replace("+00:00", "Z"), "level": record.levelname.lower()}
        fields = getattr(record, "fields", None)
        if fields is None:
            line |= {"event": "log", "logger": record.name, "message": record.getMessage()}
        else:
            line |= {"event": record.getMessage(), **fields}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class Quiet(logging.Filter):
    """Lets one record of the exporters pass in `NOISE_EVERY_S`: a dead collector fails several times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        family = record.name.partition(".")[0]
        if family not in NOISY:
            return True
        now = time.monotonic()
        if now < self._next.get(family, 0.0):
            return False
        self._next[family] = now + NOISE_EVERY_S
        record.exc_info = None
        return True
