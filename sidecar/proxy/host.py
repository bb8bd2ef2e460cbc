"""What differs inside another app: the configuration is given in code, and the server is not ours."""

from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

from sidecar.policy.load import Flags, load
from sidecar.policy.rules import Rules
from sidecar.policy.scalar import Words
from sidecar.proxy import headers
from sidecar.proxy.reload import Source

Config = str | PathLike[str] | None
"""A file's path, or YAML of more than one line, or None for what is built in."""


def rules_of(config: Config, words: Words, built_in: Flags) -> Rules:
    """The rules of it; `built_in` lie over what is built in. Invalid with all that is wrong."""
    if isinstance(config, str) and "\n" in config:
        return Rules(load(config.encode(), "config", words=words))
    return Source(Path(config), words=words).load() if config else Source(flags=built_in, words=words).load()


def inwards(scope: Any) -> Any:
    """The scope of a server that is not ours: "header names should be lowercased, but it is not required" (ASGI)."""
    return {**scope, "headers": [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]}


def outwards(scope: Any, send: Any) -> Any:
    """`send` of a server that is not ours, which may speak HTTP/2 and may raise where its client is gone."""
    persists = scope.get("http_version", "1.1") == "1.1"
    persists = persists and "close" not in headers.get(scope["headers"], b"connection").lower()

    async def deliver(message: Any) -> None:
        if message["type"] == "http.response.start" and not persists:
            # uvicorn adds its own `close` to ours, and HTTP/2 has no such header
            kept = [(name, value) for name, value in message["headers"] if name != b"connection"]
            message = {**message, "headers": kept}
        with suppress(OSError):  # ASGI 2.4; `receive()` tells of the client's leaving
            await send(message)

    return deliver
