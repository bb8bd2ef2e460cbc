"""Gradio: its queue (`{"msg": "process_generating", "output": {"data": [...]}}`) and its calls (`event: generating`).

The first output is the answer: text, or a chat whose last message it is, whole in every frame; the queue's newer
protocol sends only the first so and then what changed, as `["append", path, words]`. Wire: gradio.app/docs
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Extension, Finish, Status, TextSnapshot
from sidecar.stream.framing import Frame
from sidecar.stream.growth import Growth

PATHS = ("/queue/data", "/gradio_api/call/*/*")
PING = b": ping\n\n"

_WAITING = ("estimation", "process_starts", "progress", "log", "send_hash", "send_data")
_OUTPUT = ("process_generating", "process_streaming", "process_completed")
_FAILED = ("unexpected_error", "queue_full")
_QUIET = ("heartbeat", "close_stream")
_CALLS = ("generating", "complete", "heartbeat")


def matches(frame: Frame, said: Any) -> bool:
    if isinstance(said, list | None):
        return frame.name in _CALLS
    return pointers.text(said, "/msg") in (*_WAITING, *_OUTPUT, *_FAILED, "heartbeat")


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._said = ""
        self._growth = Growth(True, cumulative=True)

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        said = msgspec.json.decode(frame.data or b"null")
        if isinstance(said, list | None):
            known = frame.name in _CALLS
            return self._output(said or [], frame.name == "complete") if known else None
        kind = pointers.text(said, "/msg")
        if kind in _WAITING:
            return [_status(kind, said)]
        if kind in _FAILED or (kind in _OUTPUT and said.get("success") is False):
            return [failure.read(said.get("output") or {"message": said.get("message") or kind})]
        if kind in _OUTPUT:
            data = pointers.at(said, "/output/data")
            return self._output(data if isinstance(data, list) else [], kind == "process_completed")
        return [] if kind in _QUIET else None

    def _output(self, data: list[Any], last: bool) -> list[Event]:
        first = data[0] if data else None
        if isinstance(first, list) and first and _is_change(first[0]):
            for how, _, words in first:
                self._said = self._said + words if how == "append" else words
        elif words := _spoken(first):
            self._said = words
        elif first:
            return [Extension("output", data), *((Finish("stop"), End()) if last else ())]
        return [TextSnapshot(self._said, growth=self._growth), *((Finish("stop"), End()) if last else ())]


def _is_change(change: Any) -> bool:
    """Of what was said: how, where, and with what."""
    listed = isinstance(change, list) and len(change) == 3 and change[0] in ("append", "replace", "add")
    return listed and isinstance(change[1], list) and isinstance(change[2], str)


def _spoken(said: Any) -> str:
    """The text; of a chat the last message, unless it is the user's: a pair of both, or an object with a role."""
    last = said[-1] if isinstance(said, list) and said else said
    if isinstance(last, list):
        last = last[-1] if last else ""
    if isinstance(last, dict):
        last = "" if last.get("role") == "user" else last.get("content", last.get("value"))
    return last if isinstance(last, str) else ""


def _status(kind: str, said: Any) -> Status:
    rank = pointers.count(said, "/rank")
    return Status(pointers.text(said, "/log") or kind, {} if rank is None else {"rank": rank})
