"""The machine that is measured on: its facts, its cores, its clocks, the two C programs."""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
CACHE = ROOT / ".cache"

LOAD_CORE = min(os.sched_getaffinity(0))
PROXY_CORE = max(os.sched_getaffinity(0))


def built(name: str) -> Path:
    """The program of `bench/NAME.c`, compiled anew where the source is newer. Exits where there is no compiler."""
    program = CACHE / "bench" / name
    sources = [HERE / f"{name}.c", HERE / "wire.h"]
    if not program.exists() or program.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        if not (compiler := shutil.which("cc") or shutil.which("gcc")):
            raise SystemExit("the bench needs a C compiler: apt-get install gcc libc6-dev")
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-o", program, sources[0]], check=True)
    return program


def interpreter() -> str:
    """The Python that runs the sidecar: the system's own of this version, or this one.

    pyenv's default build, a shared library without profile-guided optimisation, takes a third more CPU a token than
    Debian's and than the image's; BENCH_PYTHON names another.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return os.environ.get("BENCH_PYTHON") or shutil.which(version, path="/usr/bin") or sys.executable


def packages() -> str:
    """The PYTHONPATH with which another interpreter finds what is installed for this one."""
    return os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")).split()
    return [pid, *(one for child in children for one in family(int(child)))]


def resident_kb(pid: int) -> int:
    """The resident memory of a process and its descendants."""
    pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid)]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") >> 10


def busy_s(core: int) -> float:
    """Seconds that a core has worked, for anybody, interrupts and stolen time included; in steps of 10 ms."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def facts(versions: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What a reader must know to judge the numbers."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    yield "CPU", f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores"
    yield "kernel", f"{platform.system()} {platform.release()}"
    yield "cores", f"proxies on {PROXY_CORE}, backend and load generator on {LOAD_CORE}"
    said = subprocess.run([interpreter(), "--version"], capture_output=True, text=True).stdout.split()[-1]
    yield "Python of the sidecar", f"{said}, {interpreter()}"
    yield from versions.items()
    changed = _git("status", "--porcelain", "--", "sidecar", "bench/*.py", "bench/*.[ch]")
    yield "commit", (_git("rev-parse", "--short=12", "HEAD") or "none") + (", with changes" if changed else "")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()
