"""The programs and libraries, installed once from their locks into `.cache`, by the registries' own clients.

A lock is renewed by `npm update --omit-lockfile-registry-resolved`, `uv pip compile` as its head says, `go get -u`,
`cargo update` and a look at the pom's versions.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import alone, lacking, require

SOURCES = Path(__file__).parent


def npm() -> Path:
    """The `node_modules` with the programs for a terminal, which come built: no script of their packages runs."""
    lock = SOURCES / "npm" / "package-lock.json"
    with alone("clients-npm") as folder:
        if not current(folder, lock):
            for file in (lock, lock.with_name("package.json")):
                shutil.copy(file, folder)
            program = require("npm", "apt install nodejs npm")
            run([program, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
            done(folder, lock)
    return folder / "node_modules"


def python() -> Path:
    """The Python that has the libraries, and ours in no way."""
    lock = SOURCES / "python" / "requirements.lock"
    with alone("clients-python") as folder:
        program = folder / "venv" / "bin" / "python"
        if not current(folder, lock):
            run([sys.executable, "-m", "venv", "--clear", str(folder / "venv")], folder)
            options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
            run([str(program), "-m", "pip", "install", *options, "-r", str(lock)], folder)
            done(folder, lock)
    return program


def rust() -> Path:
    """The program around Rust's libraries."""
    cargo = found("cargo")
    folder = SOURCES / "rust"
    with alone("clients-rust") as target:
        run([cargo, "build", "--quiet", "--locked", "--target-dir", str(target)], folder)
    return target / "debug" / "client-programs"


def java() -> tuple[str, Path]:
    """A Java and the folder with its libraries; it compiles the program itself."""
    program, maven = found("java"), found("mvn")
    lock = SOURCES / "java" / "pom.xml"
    with alone("clients-java") as folder:
        if not current(folder, lock):
            shutil.rmtree(folder / "lib", ignore_errors=True)
            goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder / 'lib'}"]
            run([maven, "--quiet", "--batch-mode", "--file", str(lock), *goal], folder)
            done(folder, lock)
    return program, folder / "lib"


def found(tool: str) -> str:
    """A tool of a language that is asked for only where it is."""
    return shutil.which(tool) or pytest.skip(f"{tool} is not here")


def current(folder: Path, *sources: Path) -> bool:
    """Whether that folder was made of these files as they are now."""
    made = folder / ".made-of"
    return made.exists() and made.read_bytes() == b"".join(source.read_bytes() for source in sources)


def done(folder: Path, *sources: Path) -> None:
    """Notes what it was made of."""
    (folder / ".made-of").write_bytes(b"".join(source.read_bytes() for source in sources))


def run(command: list[str], folder: Path) -> None:
    """One step of an installation; without it the tests with its programs are not to be had."""
    step = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if step.returncode:
        lacking(f"what {folder.name} has", f"{' '.join(command)}\n{step.stdout}{step.stderr}")
