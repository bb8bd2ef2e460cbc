"""The proxy inside another app, mounted at a path or served by any ASGI server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sidecar import __version__
from sidecar.policy.load import PROXYING, Flags
from sidecar.proxy import app
from sidecar.proxy.host import Config, inwards, outwards, rules_of
from sidecar.telemetry.telemetry import Telemetry


class Sidecar(app.Sidecar):
    """ASGI app. `config` is a path, YAML text, or None for the built-in rules; read once. Raises Invalid.

    Rules and backends see the path below the mount. The host's lifespan must enter `lifespan`: a mount has none of its
    own. `telemetry` is for a host that shows its `metrics_page()`; it is then the host's to shut down.
    """

    def __init__(self, config: Config = None, telemetry: Telemetry | None = None) -> None:
        super().__init__(rules_of(config, PROXYING, Flags()), telemetry or Telemetry(__version__))
        self._own = telemetry is None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003, "reason": "WebSocket is not relayed"})
        elif scope["type"] == "http":
            scope = inwards(scope)
            await super().__call__(scope, receive, outwards(scope, send))
        else:
            await super().__call__(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self, host: Any = None) -> AsyncIterator[None]:
        """Around the serving; afterwards connections are closed and telemetry is flushed, in two seconds at most."""
        try:
            yield
        finally:
            await self.aclose()
            if self._own:
                await asyncio.to_thread(self._telemetry.shutdown)
