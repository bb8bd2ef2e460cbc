"""The sidecar as a person runs it: `python -m sidecar serve` in a process of its own, on free ports."""

from collections.abc import Mapping
from typing import Any, Self

import msgspec

from tests.process import Process

WARNINGS = ("was never awaited", "ResourceWarning", "never retrieved", "Task was destroyed")
"""Python's words on standard error for what a program forgot."""


class SidecarProcess(Process):
    """`url` and `admin` are its base URLs, without a slash at the end; `told()` the JSON lines it has printed.

    Leaving it fails where Python has warned.
    """

    def __init__(self, upstream: str | None = None, *arguments: str, env: Mapping[str, str] | None = None):
        source = ("--upstream", upstream) if upstream else ()
        ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        super().__init__("-m", "sidecar", "serve", *source, *ports, *arguments, env=env)

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            listening = self.told(event="listening")
        except AssertionError:
            self.__exit__()
            raise
        self.url, self.admin = f"http://{listening['listen']}", f"http://{listening['admin']}"
        return self

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        warned = [line for line in self.lines if any(word in line for word in WARNINGS)]
        assert not warned, "\n".join(warned)

    def told(self, seconds: float = 20.0, **fields: object) -> dict[str, Any]:
        """The first JSON line with these fields, waited for up to `seconds`."""
        line = self.line(lambda line: fields.items() <= _decoded(line).items(), seconds)
        return _decoded(line)


def _decoded(line: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict)
    except msgspec.DecodeError:
        return {}
