"""The sidecar as people run it, and a backend behind it that says whatever stream is set before it."""

import asyncio
import threading
from types import TracebackType
from typing import Self

from tests.differential.paper import Stream
from tests.sidecar_process import SidecarProcess
from tests.wire.backend import Backend, Talk
from tests.wire.message import END


class Stage:
    """`direct` is the backend's URL, `through` the sidecar's; both answer with `stream`, on a thread of their own."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._backend = Backend(self._script)

    async def _script(self, talk: Talk) -> None:
        self._backend.talks.clear()
        assert self.stream
        await talk.stream(*self.stream.pieces)
        if self.stream.whole:
            await talk.send(END)
        else:
            talk.close()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._backend.__aenter__(), self._loop).result()
        self.direct = f"http://127.0.0.1:{self._backend.port}"
        self.process = SidecarProcess(self.direct).__enter__()
        self.through = self.process.url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.process.__exit__()
        finally:
            asyncio.run_coroutine_threadsafe(self._backend.__aexit__(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
