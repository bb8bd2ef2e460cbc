"""Go's libraries in programs of ours, built once and kept in `.cache/go`."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from tests.tools import alone, lacking, require

SOURCES = Path(__file__).parent
TOOLCHAIN = "1.26.8"
VERSIONS = {"openai-go": "go/go.mod", "openai-go-before-3.43": "go/before.mod"}
"""OpenAI's SDK: client to the module file it is built by."""

MODULES = VERSIONS | {"client-programs": "programs/go/go.mod"}


def program(name: str) -> Path:
    """The executable of that module."""
    module = SOURCES / MODULES[name]
    sources = (*module.parent.glob("*.go"), module, module.with_suffix(".sum"))
    with alone("go") as cache:
        made = cache / name
        if not made.exists() or made.stat().st_mtime < max(source.stat().st_mtime for source in sources):
            build(module, made)
    return made


def build(module: Path, made: Path) -> None:
    """Unoptimised and without C: a minute of CPU for OpenAI's SDK alone, which optimised is two."""
    quick = ["-gcflags=all=-N -l", "-ldflags=-s -w", "-buildvcs=false"]
    command = [str(compiler(made.parent)), "build", f"-modfile={module.name}", *quick, "-o", str(made), "."]
    settings = {"CGO_ENABLED": "0", "GOFLAGS": ""}
    run = subprocess.run(command, cwd=module.parent, env=os.environ | settings, capture_output=True, text=True)
    if run.returncode:
        lacking(f"{made.name} from the Go module proxy", run.stderr)


def compiler(cache: Path) -> Path:
    """A Go that the SDK can be built by: the one that is installed, or one that it fetches; Debian 12's is 1.19."""
    go = require("go", "apt-get install golang-go")
    told = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    if [int(number) for number in re.findall(r"\d+", told)[:2]] >= [1, 26]:
        return Path(go)
    folder = cache / TOOLCHAIN
    if not folder.exists():
        fetch(go, folder)
    return folder / "bin" / "go"


def fetch(go: str, to: Path) -> None:
    """Go's own toolchain, which its proxy has as a module: without executable bits, and its `go.mod` renamed."""
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch:
        platform = subprocess.run([go, "env", "GOOS", "GOARCH"], capture_output=True, text=True, check=True).stdout
        version = f"v0.0.1-go{TOOLCHAIN}.{'-'.join(platform.split())}"
        command = [go, "mod", "download", "-json", f"golang.org/toolchain@{version}"]
        settings = {"GOMODCACHE": scratch, "GOFLAGS": "-modcacherw"}
        run = subprocess.run(command, cwd=scratch, env=os.environ | settings, capture_output=True, text=True)
        if run.returncode:
            lacking(f"Go {TOOLCHAIN}", run.stdout + run.stderr)
        folder = Path(json.loads(run.stdout)["Dir"])
        for file in (*folder.glob("bin/*"), *folder.glob("pkg/tool/*/*")):
            file.chmod(0o755)
        (folder / "src" / "_go.mod").rename(folder / "src" / "go.mod")
        folder.rename(to)
