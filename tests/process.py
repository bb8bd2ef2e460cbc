"""A program run beside a test, known by the lines it prints."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self


class Process:
    """`python ARGUMENTS` with standard output and error as one list of `lines`; ended with SIGTERM, then by force."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None):
        self.command = [sys.executable, *arguments]
        self.env = env
        self.lines: list[str] = []
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self.child = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.env
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.child.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(10)
        self.child.kill()
        self.child.wait()
        self._reader.join()

    def line(self, wanted: Callable[[str], object], seconds: float = 20.0) -> str:
        """The first line that is `wanted`, printed already or within `seconds`; else AssertionError."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for line in self.lines:
                    if wanted(line):
                        return line
                left = deadline - time.monotonic()
                assert left > 0 and self._reader.is_alive(), "\n".join([f"{self.command} said only:", *self.lines])
                self._news.wait(min(left, 0.2))

    def _read(self) -> None:
        assert self.child.stdout
        with self.child.stdout as output:
            for line in output:
                with self._news:
                    self.lines.append(line.decode(errors="replace").rstrip("\n"))
                    self._news.notify_all()


def eventually(look: Callable[[], Any], seconds: float = 10.0) -> Any:
    """What `look` returns once that is true, looked at every 5 ms; AssertionError with the last if that never comes."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"after {seconds} s still {seen!r}"
        time.sleep(0.005)
