"""The lock files are complete, so that nothing needs to be resolved on the day they are installed."""

import json
import re
from pathlib import Path

import pytest

from tests.locks.lock import ROOT, Lock, Place, wanted

LOCKS = {
    "requirements.lock": wanted(),
    "requirements-dev.lock": wanted() + wanted("dev"),
    "requirements-build.lock": wanted("build"),
}
SYSTEMS: dict[str, Place] = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
}
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


NPM_LOCKS = [*ROOT.glob("tests/clients/*/package-lock.json"), *ROOT.glob("tests/clients/*/*/package-lock.json")]


def place(python: str, system: str) -> Place:
    return SYSTEMS[system] | {"python_version": python, "python_full_version": f"{python}.0"}


def lock(name: str) -> Lock:
    return Lock((ROOT / name).read_text())


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_all_that_its_packages_ask_for(name: str, python: str, system: str) -> None:
    assert lock(name).lacks(LOCKS[name], place(python, system)) == []


@pytest.mark.parametrize(
    ("cut", "asked", "unanswered"),
    [
        (r"^h11==.*\n( .*\n)+", wanted(), "h11"),
        ("$^", ["httpx2[socks]"], "socksio"),
        ("$^", ["httpx2>=9999"], "httpx2"),
    ],
    ids=["a package", "an extra", "a version"],
)
def test_what_is_not_locked_is_found(cut: str, asked: list[str], unanswered: str) -> None:
    text = re.sub(cut, "", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    said = Lock(text).lacks(asked, place("3.11", "linux"))
    assert said and [each for each in said if f" asks for {unanswered}" not in each] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-build.lock"])
def test_what_runs_is_what_is_tested(name: str) -> None:
    """Each package is in the development lock with the same version and the same hashes."""
    entries = re.split(r"\n(?=\w)", (ROOT / name).read_text().strip())[1:]
    assert entries and [each for each in entries if each not in (ROOT / "requirements-dev.lock").read_text()] == []


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile", "README.md", "CONTRIBUTING.md", "charts/README.md"])
def test_a_lock_is_installed_as_it_is(file: str) -> None:
    """pip resolves `name[extra]` behind a locked `name` to the newest release, and refuses it for want of a hash."""
    calls = re.findall(r"pip3? install .* -r .*", (ROOT / file).read_text())
    assert [call for call in calls if not {"--no-deps", "--require-hashes"} <= set(call.split())] == []


@pytest.mark.parametrize("file", NPM_LOCKS, ids=lambda file: file.parent.name)
def test_what_npm_brings_is_known_by_its_hash_and_by_no_host(file: Path) -> None:
    """npm writes the address of the registry that it was told to use, which others may not reach."""
    packages = json.loads(file.read_text())["packages"].items()
    assert [path for path, entry in packages if path and ("integrity" not in entry or "resolved" in entry)] == []
