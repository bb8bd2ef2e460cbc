"""The Makefile installs a lock to the letter, whatever the package index has released since."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.locks.lock import ROOT, Lock
from tests.locks.shelf import Shelf
from tests.tools import lacking

OLDEST = {(3, 11): "22.3", (3, 12): "23.2.1", (3, 13): "24.2", (3, 14): "25.2"}.get(sys.version_info[:2], "26.0")
"""The pip that the first release of this Python brings."""


class Checkout:
    """A folder with the Makefile, an index that has newer releases than any lock, and an empty environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shelf = Shelf(folder / "index")
        self.python = folder / "venv" / "bin" / "python"
        shutil.copytree(ROOT / ".ci", folder / ".ci")
        shutil.copy(ROOT / "Makefile", folder)

    def make(self, target: str) -> subprocess.CompletedProcess[str]:
        return self._run("make", "VENV=venv", f"PYTHON={sys.executable}", target)

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(str(self.python), "-m", "pip", *arguments)

    def upgrade(self, pip: str) -> None:
        """Bring another pip, from the real index."""
        command = [str(self.python), "-m", "pip", "install", "--quiet", "--upgrade", pip]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            lacking(f"{pip} from the package index", run.stderr)

    def stock(self, lock: Lock) -> str:
        """Lay the metadata of all that the lock brings here on the shelf; the text of the lock for that."""
        brought = [name for name in lock if lock.brings(name, {})]
        found = [(name, lock.version(name), lock.installed(name)) for name in brought]
        return "".join(
            self.shelf.put(name, version, each.requires or (), each.metadata.get_all("Provides-Extra") or ())
            for name, version, each in found
        )

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.shelf.folder), "PIP_CONFIG_FILE": os.devnull}
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder)} | index
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as the Makefile begins it, to be copied: making one takes three seconds."""
    first = Checkout(tmp_path_factory.mktemp("first"))
    made = first.make("venv/bin/python")
    assert made.returncode == 0, made.stderr
    return first.folder / "venv"


@pytest.fixture
def checkout(empty: Path, tmp_path: Path) -> Checkout:
    shutil.copytree(empty, tmp_path / "venv", symlinks=True)
    return Checkout(tmp_path)


@pytest.mark.parametrize(
    ("name", "target", "pip"),
    [
        ("requirements.lock", "run-time", ""),
        ("requirements-dev.lock", "development", ""),
        ("requirements-dev.lock", "development", f"pip=={OLDEST}"),
        ("requirements-dev.lock", "development", "pip"),
    ],
    ids=["to run", "to develop", "with the oldest pip", "with the newest pip"],
)
def test_what_is_locked_is_installed_and_complete(checkout: Checkout, name: str, target: str, pip: str) -> None:
    if pip:
        checkout.upgrade(pip)
    lock = Lock((ROOT / name).read_text())
    (checkout.folder / name).write_text(checkout.stock(lock))
    made = checkout.make(f"venv/{target}")
    assert made.returncode == 0, made.stderr
    checked = checkout.pip("check")
    assert checked.returncode == 0, checked.stdout
    installed = json.loads(checkout.pip("list", "--format", "json").stdout)
    versions = {canonicalize_name(each["name"]): each["version"] for each in installed}
    assert versions | {each: lock.version(each) for each in lock if lock.brings(each, {})} == versions


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="every pip of this Python finds the locked release by itself")
def test_it_would_fail_if_pip_resolved_anything(checkout: Checkout) -> None:
    """An extra behind a locked name, of which the index has a newer release."""
    checkout.upgrade(f"pip=={OLDEST}")
    front = checkout.shelf.put("front", "1", requires=["back[more]"])
    (checkout.folder / "requirements.lock").write_text(front + checkout.shelf.put("back", "1", extras=["more"]))
    makefile = checkout.folder / "Makefile"
    exact = makefile.read_text()
    makefile.write_text(exact.replace("--no-deps ", ""))
    assert "hash" in checkout.make("venv/run-time").stderr
    makefile.write_text(exact)
    assert checkout.make("venv/run-time").returncode == 0
    assert checkout.pip("check").returncode == 0


def test_it_would_fail_if_a_package_were_not_locked(checkout: Checkout) -> None:
    (checkout.folder / "requirements.lock").write_text(checkout.shelf.put("front", "1", requires=["back"]))
    assert checkout.make("venv/run-time").returncode == 0
    assert "back" in checkout.pip("check").stdout
