"""A running sidecar follows its file, however it is replaced, and keeps the old one when the new one is bad."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sidecar.policy.document import MAX_BYTES, Invalid
from sidecar.policy.load import Flags
from sidecar.policy.rules import Rules
from sidecar.proxy.reload import Source, Watch
from sidecar.telemetry.log import Json
from tests.process import eventually

pytestmark = pytest.mark.anyio
BASE = "version: 1\nupstreams: { a: { url: http://a } }\n"


def text(idle: str, more: str = "") -> str:
    return f"{BASE}defaults: {{ timeouts: {{ idle: {idle} }} }}\n{more}"


class Told:
    """What a watch told: the idle timeouts that were swapped in, the reports, the log lines."""

    def __init__(self, path: Path, flags: Flags | None = None) -> None:
        source = Source(path, flags or Flags())
        self.idle: list[float] = []
        self.reports: list[str] = []
        self.watch = Watch(source, source.load(), self._swap, self.reports.append)

    async def _swap(self, rules: Rules) -> None:
        self.idle.append(rules.config.defaults.timeouts.idle)

    async def look(self) -> None:
        """Look until the file is settled."""
        while not await self.watch.check_once():
            pass


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """The log lines, decoded."""
    found: list[dict[str, object]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(json.loads(Json().format(record)))

    logger, handler = logging.getLogger("sidecar"), Keep()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def by_rename(path: Path, text: str) -> None:
    other = path.with_suffix(".new")
    other.write_text(text)
    other.rename(path)


def by_link(path: Path, text: str) -> None:
    """As the kubelet: the file is a link into `..data`, which is a link to a folder that is swapped."""
    mount = path.parent
    version = mount / f"..{len(list(mount.iterdir()))}"
    version.mkdir()
    (version / path.name).write_text(text)
    (mount / "..tmp").symlink_to(version.name)
    (mount / "..tmp").rename(mount / "..data")
    if not path.is_symlink():
        path.symlink_to(f"..data/{path.name}")


@pytest.mark.parametrize("replace", [in_place, by_rename, by_link])
async def test_a_change_is_followed(
    tmp_path: Path, replace: Callable[[Path, str], None], lines: list[dict[str, object]]
) -> None:
    path = tmp_path / "sidecar.yaml"
    replace(path, text("10s"))
    told = Told(path)
    await told.look()
    assert (told.idle, lines) == ([], [])
    for seconds in (20, 30):
        replace(path, text(f"{seconds}s"))
        await told.look()
    assert told.idle == [20, 30]
    assert told.reports == ["", "", ""]
    assert [line["event"] for line in lines] == ["config_reloaded"] * 2


async def test_what_did_not_change_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text(text("10s"))
    told = Told(path)
    await told.look()
    by_rename(path, text("10s"))
    await told.look()
    path.write_text(text("10s", "# a comment\n"))
    await told.look()
    assert told.idle == []


async def test_a_bad_file_keeps_the_old_one_and_is_told_once(tmp_path: Path, lines: list[dict[str, object]]) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text(text("10s"))
    told = Told(path)
    await told.look()
    path.write_text(text("10"))
    await told.look()
    await told.look()
    problem = f"{path}:3:31: idle: 10 has no unit; write 10s, or ms, m, h"
    assert (told.idle, told.reports) == ([], ["", problem])
    assert [(line["event"], line["level"], line["problems"]) for line in lines] == [
        ("config_refused", "error", [problem])
    ]
    path.write_text(text("10s"))
    await told.look()
    assert (told.idle, told.reports[-1]) == ([], "")
    path.write_text(text("20s"))
    await told.look()
    assert told.idle == [20]


async def test_a_file_that_is_gone_is_told_and_followed_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text(text("10s"))
    told = Told(path)
    await told.look()
    path.unlink()
    await told.look()
    assert told.reports[-1] == f"{path}: cannot be read: No such file or directory"
    path.write_text(text("20s"))
    await told.look()
    assert (told.idle, told.reports[-1]) == ([20], "")


async def test_a_file_in_the_middle_of_being_written_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text(text("10s"))
    told = Told(path)
    await told.look()
    path.write_text(BASE)  # valid by chance, as half a file may be
    assert not await told.watch.check_once()
    path.write_text(text("20s"))
    assert not await told.watch.check_once()
    assert told.idle == []
    assert await told.watch.check_once()
    assert told.idle == [20]


@pytest.mark.parametrize("flags", [Flags(), Flags(listen="127.0.0.1:1"), Flags(admin="127.0.0.1:1")])
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("listen: a:2", "listen cannot change from a:1 to a:2; restart"),
        ("listen: a:1\nadmin: b:2", "admin cannot change from 0.0.0.0:9901 to b:2; restart"),
    ],
)
async def test_new_addresses_are_refused_aloud_whatever_the_flags_say(
    tmp_path: Path, flags: Flags, line: str, problem: str
) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text(text("10s", "listen: a:1"))
    told = Told(path, flags)
    await told.look()
    path.write_text(text("20s", line))
    await told.look()
    assert (told.idle, told.reports[-1]) == ([], f"{path}: {problem}")
    path.write_text(text("30s", "listen: a:1\nadmin: { listen: 0.0.0.0:9901 }"))
    await told.look()
    assert (told.idle, told.reports[-1]) == ([30], "")


async def test_a_flag_wins_over_a_changed_file(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text(text("10s"))
    source = Source(path, Flags(format="passthrough", dialect="ollama"))
    seen: list[tuple[str, str, float]] = []

    async def swap(rules: Rules) -> None:
        config = rules.config
        seen.append((config.defaults.format, config.upstreams[0].dialect, config.defaults.timeouts.idle))

    watch = Watch(source, source.load(), swap, lambda _: None)
    path.write_text(text("20s"))
    while not await watch.check_once():
        pass
    assert seen == [("passthrough", "ollama", 20)]


async def running(watch: Watch, every: float, act: Callable[[], object]) -> None:
    """`act` runs beside the watch, in a thread of its own."""
    task = asyncio.create_task(watch.run(every))
    try:
        await asyncio.to_thread(act)
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def test_it_looks_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text(text("10s"))
    told = Told(path)

    def act() -> None:
        eventually(lambda: told.reports == [""])
        path.write_text(text("20s"))
        eventually(lambda: told.idle == [20])

    await running(told.watch, 0.02, act)


async def test_sighup_makes_it_look_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text(text("10s"))
    told = Told(path)

    def act() -> None:
        eventually(lambda: signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL)
        path.write_text(text("20s"))
        eventually(lambda: os.kill(os.getpid(), signal.SIGHUP) or told.idle == [20])

    await running(told.watch, 3600, act)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert len(Source(path).read()) == MAX_BYTES + 1
    with pytest.raises(Invalid, match="larger than 1 MiB"):
        Source(path).load()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be read: Is a directory"):
        Source(tmp_path).load()


def test_without_a_file_the_built_in_one_is_read() -> None:
    rules = Source(flags=Flags(upstream="http://backend:1")).load()
    assert [upstream.url for upstream in rules.config.upstreams] == ["http://backend:1"]
    assert Source().name == "built-in"
