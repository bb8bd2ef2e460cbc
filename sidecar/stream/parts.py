"""What JSON of any shape, its keys in snake_case, says besides text: who speaks, calls, why and whether it ends."""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import kinds, names, pointers
from sidecar.stream.events import End, Event, Finish, ToolCallDelta, ToolCallEnd
from sidecar.stream.reasons import canonical

_ARGUMENTS = ("/function/arguments", "/arguments", "/args", "/input")


def role(said: dict[str, Any]) -> str:
    """Who speaks, where it is told."""
    role = names.first(said, ("role", "sender", "author"))
    role = role.get("role") if isinstance(role, dict) else role
    mine = names.first(said, ("is_created_by_user", "from_user")) is True
    return "user" if mine else role.lower() if isinstance(role, str) else ""


def calls(said: dict[str, Any]) -> Iterable[Event]:
    """The calls that it holds, whole or in fragments."""
    found = names.first(said, names.CALLS)
    for call in found if isinstance(found, list) else (found,) if isinstance(found, dict) else ():
        given = next((value for at in _ARGUMENTS if (value := pointers.at(call, at)) is not None), None)
        text = given if isinstance(given, str) else msgspec.json.encode(given).decode() if given else ""
        index, name = pointers.count(call, "/index"), pointers.text(call, "/function/name", "/name")
        yield ToolCallDelta(index, pointers.text(call, "/id", "/tool_call_id"), name, text)
        if not isinstance(given, str):
            yield ToolCallEnd(index)


def last(said: dict[str, Any], name: str) -> Iterable[Event]:
    """Why the answer finished, and whether it is over; `name` is the event's."""
    raw = names.first(said, names.FINISH) or names.first(said.get("meta"), names.FINISH)
    raw = pointers.text(raw, "/type", "/reason") if isinstance(raw, dict) else raw
    if isinstance(raw, str) and raw.lower() not in names.UNFINISHED:
        yield Finish(canonical(raw), raw)
    if (
        done(said)
        or kinds.among(kinds.END, (name, *names.tags(said)[:1]))
        or kinds.named(kinds.END, pointers.text(said, "/status"))
    ):
        yield End()


def done(said: dict[str, Any]) -> bool:
    """Whether it says that it is the last."""
    if said.get("data") is True and "code" in said:  # RAGFlow
        return True
    if "jsonrpc" in said and isinstance(pointers.at(said, "/result/content"), list):  # the answer to an MCP call
        return True
    if pointers.at(said, "/header/status") == 2:  # Spark, as over a WebSocket
        return True
    return any(layer.get(key) is True for layer in names.layers(said, 3) for key in names.DONE)
