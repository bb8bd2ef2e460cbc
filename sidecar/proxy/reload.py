"""Where the configuration comes from, and how a running sidecar follows its file."""

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path

import msgspec

from sidecar.policy.config import Config
from sidecar.policy.document import MAX_BYTES, Invalid, Problem
from sidecar.policy.load import NO_FLAGS, WORDS, Flags, load
from sidecar.policy.rules import Rules
from sidecar.policy.scalar import Words
from sidecar.telemetry import log

BUILT_IN = resources.files("sidecar.policy") / "default.yaml"


class Source(msgspec.Struct, frozen=True):
    """A file, or what is built in (`path` None), under the flags of the command line and for who knows these words."""

    path: Path | None = None
    flags: Flags = NO_FLAGS
    words: Words = WORDS

    @property
    def name(self) -> str:
        return str(self.path) if self.path else "built-in"

    def read(self) -> bytes:
        """The text. Invalid where it cannot be had."""
        try:
            with (self.path or BUILT_IN).open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise Invalid([Problem(self.name, f"cannot be read: {error.strerror}")]) from None

    def rules(self, text: bytes) -> Rules:
        """The rules of a text. Invalid with all that is wrong."""
        return Rules(load(text, self.name, self.flags, self.words))

    def load(self) -> Rules:
        """The rules now. Invalid with all that is wrong."""
        return self.rules(self.read())


class Watch:
    """Follows the file of a source.

    The content is read and compared, so that an edit in place, a rename and a ConfigMap's swapped `..data` link are
    the same. It is used once two looks in a row find it the same: a file in the middle of being written may be
    valid by chance. `swap` gets the rules of every good change; `report` what is wrong, empty when all is well.
    """

    def __init__(
        self,
        source: Source,
        rules: Rules,
        swap: Callable[[Rules], Awaitable[None]],
        report: Callable[[str], None],
    ) -> None:
        self._source = source
        self._config = rules.config
        self._swap = swap
        self._report = report
        self._addresses = None if source.flags.listen or source.flags.admin else _addresses(rules.config)
        self._seen: bytes | None = None
        self._settled: bytes | None = None

    async def run(self, every: float = 1.0) -> None:
        """Look every second, at once on SIGHUP, and soon again while the file changes. Ends when cancelled."""
        wake = asyncio.Event()
        main = threading.current_thread() is threading.main_thread()
        if main:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, wake.set)
        try:
            while True:
                pause = every if await self.check_once() else every / 10
                try:
                    async with asyncio.timeout(pause):
                        await wake.wait()
                except TimeoutError:
                    continue
                wake.clear()
        finally:
            if main:
                asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)

    async def check_once(self) -> bool:
        """Look at the file; False if it has changed since the last look and is to be looked at again."""
        try:
            text, problem = await asyncio.to_thread(self._source.read), None
        except Invalid as error:
            text, problem = str(error).encode(), error
        settled, self._seen = text == self._seen, text
        if settled and text != self._settled:
            self._settled = text
            await (self._refuse(problem) if problem else self._apply(text))
        return settled

    async def _apply(self, text: bytes) -> None:
        try:
            rules = await asyncio.to_thread(self._rules, text)
        except Invalid as error:
            await self._refuse(error)
            return
        self._report("")
        if rules.config != self._config:
            self._config = rules.config
            await self._swap(rules)
            log.event(logging.INFO, "config_reloaded", file=self._source.name)

    async def _refuse(self, error: Invalid) -> None:
        problems = list(map(str, error.problems))
        self._report(problems[0])
        log.event(logging.ERROR, "config_refused", file=self._source.name, problems=problems, kept="the one in force")

    def _rules(self, text: bytes) -> Rules:
        """The rules of a changed file. Its addresses are compared with its own of before, whatever the flags say."""
        rules = self._source.rules(text)
        asked = _addresses(load(text, self._source.name))
        self._addresses = self._addresses or asked
        moved = [key for key in asked if asked[key] != self._addresses[key]]
        if moved:
            words = [f"{key} cannot change from {self._addresses[key]} to {asked[key]}; restart" for key in moved]
            raise Invalid([Problem(self._source.name, said) for said in words])
        return rules


def _addresses(config: Config) -> dict[str, str]:
    return {"listen": config.listen, "admin": config.admin.listen}
