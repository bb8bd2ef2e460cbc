"""A package index of next month, in a folder: the releases of a lock, and a newer one beside each."""

import hashlib
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.version import Version


class Shelf:
    """Wheels in `folder` that hold their metadata and nothing else."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def put(self, name: str, version: str, requires: Iterable[str] = (), extras: Iterable[str] = ()) -> str:
        """This release and a newer one; gives the line of a lock that asks for this one."""
        more = [f"Requires-Dist: {each}" for each in requires] + [f"Provides-Extra: {each}" for each in extras]
        self._wheel(name, f"{Version(version).base_version}.1", more)
        digest = hashlib.sha256(self._wheel(name, version, more).read_bytes()).hexdigest()
        return f"{name}=={version} --hash=sha256:{digest}\n"

    def _wheel(self, name: str, version: str, more: list[str]) -> Path:
        stem = f"{re.sub('[-_.]+', '_', name)}-{version}"
        info = {
            "METADATA": ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *more],
            "WHEEL": ["Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"],
            "RECORD": [f"{stem}.dist-info/{file},," for file in ("METADATA", "WHEEL", "RECORD")],
        }
        wheel = self.folder / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for file, lines in info.items():
                archive.writestr(f"{stem}.dist-info/{file}", "\n".join([*lines, ""]))
        return wheel
