"""Both directions of one client's connection: what the client does not read yet, and what of it we do not read."""

import asyncio
import fcntl
import socket
import struct
import termios

FAREWELL_S = 0.1
"""Between the last words of a failed answer and the break. Readers that are told of the break throw away what they have
not looked at: of ten cut answers Vercel's `ai` showed the message of 0 without a pause, of 9 after 20 ms and of 10
after 100 ms, also where each part took its reader 30 ms."""

_RESET = struct.pack("ii", 1, 0)
_NONE = struct.pack("i", 0)
_TCP_ESTABLISHED = 1


class Flow:
    """`write_paused`: the client does not read, and a writer should `drain`. `read_paused`: it is not heard, so that
    its leaving must be looked for."""

    __slots__ = ("_room", "_transport", "read_paused", "write_paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.read_paused = self.write_paused = False
        self._transport = transport
        self._room: asyncio.Event | None = None  # 760 bytes: only where somebody waits

    # ---- towards the client

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._room:
            self._room.set()
            self._room = None

    async def drain(self) -> None:
        """Returns when the client has read on, or is gone."""
        if self.write_paused:
            self._room = self._room or asyncio.Event()
            await self._room.wait()

    def break_off(self, reset: bool) -> None:
        """End the connection in mid-answer."""
        if reset:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
        else:
            self._transport.close()

    def undelivered(self) -> bool:
        """Whether there are bytes of ours that the client's kernel does not have."""
        if self._transport.get_write_buffer_size():
            return True
        sock = self._transport.get_extra_info("socket")
        return fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, _NONE) != _NONE

    # ---- from the client

    def pause_reading(self) -> bool:
        """Whether it was read until now."""
        if self.read_paused or self._transport.is_closing():
            return False
        self.read_paused = True
        self._transport.pause_reading()
        return True

    def resume_reading(self) -> None:
        if self.read_paused and not self._transport.is_closing():
            self.read_paused = False
            self._transport.resume_reading()

    def left(self) -> bool:
        """Whether the client's FIN or reset has come. It stands behind bytes that we do not read, so the kernel is
        asked; a FIN that waits in the client's own kernel, for room in our buffers, cannot be seen from here."""
        if not hasattr(socket, "TCP_INFO"):
            return False
        sock = self._transport.get_extra_info("socket")
        state: bytes = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return state[0] != _TCP_ESTABLISHED
