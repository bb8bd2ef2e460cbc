"""A client that sends and reads to the byte what a test says."""

import asyncio
import socket
from typing import Self

from tests.wire import SECONDS
from tests.wire.backend import RESET
from tests.wire.message import Message, parse_answer


class Client:
    """One connection. `received` is what came and was not taken; `ended` is "closed" or "reset" once it is over.

    `window` bounds the socket's receive buffer, for clients that shall be slow.
    """

    def __init__(self, port: int, window: int = 0) -> None:
        self.received = b""
        self.ended = ""
        self._port = port
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if window:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)

    async def __aenter__(self) -> Self:
        await asyncio.get_running_loop().sock_connect(self._socket, ("127.0.0.1", self._port))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.leave()

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def more(self, most: int = 1 << 18) -> None:
        """One read."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, most)
            self.ended = "" if data else "closed"
            self.received += data
        except ConnectionResetError:
            self.ended = "reset"

    async def until(self, wanted: bytes) -> bytes:
        """Read until these bytes are there; gives all that was received."""
        async with asyncio.timeout(SECONDS):
            while wanted not in self.received:
                assert not self.ended, f"{self.ended} after {self.received!r}"
                await self.more()
        return self.received

    async def rest(self) -> bytes:
        """Read to the end of the connection; gives all that was received."""
        async with asyncio.timeout(SECONDS):
            while not self.ended:
                await self.more()
        return self.received

    async def reply(self, method: str = "POST") -> Message:
        """Read one answer, 1xx skipped; what follows it stays in `received`."""
        async with asyncio.timeout(SECONDS):
            while not (found := parse_answer(self.received, method, self.ended)):
                assert not self.ended, f"{self.ended} after {self.received!r}"
                await self.more()
        message, self.received = found
        return message

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def leave(self, reset: bool = False) -> None:
        if reset and self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._socket.close()
