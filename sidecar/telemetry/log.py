"""One JSON object a line, through stdlib logging, or past it where nobody else would hear.

Non-ASCII and control characters leave escaped: a client's words cannot break a line or forge one.
"""

import json
import logging
import time
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

PLAIN = {str, int, float, bool, type(None)}
NOISY = ("opentelemetry", "urllib3", "requests")
NOISE_EVERY_S = 60.0

_log = logging.getLogger("sidecar")


def setup(stream: TextIO, level: str = "info") -> None:
    """Make the root logger write JSON lines to `stream`; `level` is a word of stdlib logging."""
    logging.basicConfig(handlers=[Lines(stream)], level=level.upper(), force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # four lines of its own at each start, for each port
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)  # they say headers at debug, Authorization among them


def event(level: int, name: str, **fields: Any) -> None:
    """Log what happened; `fields` are JSON values and follow `ts`, `level` and `event`."""
    if _log.isEnabledFor(level):
        match [*_log.handlers, *logging.root.handlers]:
            case [Lines() as lines]:
                lines.say(level, name, fields)
            case _:
                _log.log(level, name, extra={"fields": fields})


def failed(name: str, error: BaseException | None, **fields: Any) -> None:
    """Log a fault of our own: its kind and where it was, never its words, which may be a client's."""
    frames = traceback.extract_tb(error.__traceback__)[-5:] if error else ()
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    event(logging.ERROR, name, error=type(error).__name__ if error else "unfinished", where=where, **fields)


class Lines(logging.StreamHandler[TextIO]):
    """Writes JSON lines. An event needs no record: 5 us, where stdlib logging takes 14 for the same line."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(Json())
        self.addFilter(Quiet())

    def say(self, level: int, name: str, fields: dict[str, Any]) -> None:
        """Write an event now; what the stream raises is told to stderr, as for a record."""
        line = {"ts": _ts(time.time()), "level": logging.getLevelName(level).lower(), "event": name, **fields}
        self.acquire()
        try:
            self.stream.write(_json(line) + "\n")
            self.stream.flush()
        except (OSError, ValueError):
            self.handleError(logging.makeLogRecord({"name": _log.name, "levelno": level, "msg": name}))
        finally:
            self.release()


class Json(logging.Formatter):
    """A record as one JSON object; one that is not an `event` of ours has `event` log, `logger` and `message`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"ts": _ts(record.created), "level": record.levelname.lower()}
        fields = getattr(record, "fields", None)
        if fields is None:
            line |= {"event": "log", "logger": record.name, "message": record.getMessage()}
        else:
            line |= {"event": record.getMessage(), **fields}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _json(line)


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


def _ts(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(line: dict[str, Any]) -> str:
    # msgspec takes 2 us where json takes 8, for the same bytes; it leaves DEL and what is not ASCII as they are
    if PLAIN.issuperset(map(type, line.values())):
        try:
            written = msgspec.json.format(msgspec.json.encode(line), indent=0)
            if written.isascii() and b"\x7f" not in written:
                return written.decode()
        except UnicodeEncodeError:
            pass  # half a surrogate pair
    return json.dumps(line, default=str)
