"""What a stream has said before it failed: a frame of ours goes on from there, since strict readers want its ids."""

from typing import Any

import msgspec

from sidecar.stream import pointers


class SoFar(msgspec.Struct, frozen=True):
    """`id` and `model` are of the stream's start, `last` is the data of its last frame; `created`, in seconds since the
    epoch, is for a stream that has not said it."""

    id: str = ""
    model: str = ""
    last: bytes = b""
    created: int = 0

    def text(self, key: str, otherwise: str) -> str:
        """The word that the last frame has there."""
        value = self._said.get(key)
        return value if isinstance(value, str) and value else otherwise

    def number(self, key: str, otherwise: int) -> int:
        """The number that the last frame has there."""
        value = self._said.get(key)
        return value if type(value) is int else otherwise

    @property
    def _said(self) -> dict[str, Any]:
        said = pointers.read(self.last)
        return said if isinstance(said, dict) else {}
