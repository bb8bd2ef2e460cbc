"""The wheel holds what runs: built, unpacked and used away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sidecar import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file)


def test_its_name_and_command(wheel: zipfile.ZipFile) -> None:
    info = f"llm_stream_sidecar-{__version__}.dist-info"
    assert "sidecar = sidecar.__main__:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert "Apache License" in wheel.read(f"{info}/licenses/LICENSE").decode()
    assert "sidecar/py.typed" in wheel.namelist()


@pytest.mark.parametrize("command", ["--help", "schema config", "schema envelope-v1", "schema envelope-v2"])
def test_it_runs_without_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path, command: str) -> None:
    wheel.extractall(tmp_path)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = [sys.executable, "-W", "error", "-m", "sidecar", *command.split()]
    assert subprocess.run(run, cwd=tmp_path, env=env, check=True, capture_output=True, text=True).stdout


def test_it_has_its_own_configuration(wheel: zipfile.ZipFile) -> None:
    documented = (ROOT / "config" / "sidecar.yaml").read_bytes()
    packed = [name for name in wheel.namelist() if name.startswith("sidecar/") and name.endswith(".yaml")]
    assert [wheel.read(name) for name in packed] == [documented]
