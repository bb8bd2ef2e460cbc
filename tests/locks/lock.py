"""A lock file read, and whether it answers all that is asked of it."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

Place = dict[str, str]
"""A Python on a platform, as markers see it."""


class Lock(dict[str, Requirement]):
    """The exact requirements of a lock file's text, by name."""

    def __init__(self, text: str) -> None:
        lines = re.sub(r"^#.*|\\$|--hash=\S+", "", text, flags=re.MULTILINE).splitlines()
        exact = [Requirement(line) for line in lines if line.strip()]
        super().__init__((canonicalize_name(each.name), each) for each in exact)

    def version(self, name: str) -> str:
        (specifier,) = self[name].specifier
        return specifier.version

    def brings(self, name: str, place: Place) -> bool:
        """Whether this package is among what is installed there."""
        return name in self and holds(self[name], place)

    def lacks(self, asked: Iterable[str], place: Place) -> list[str]:
        """Of all that is asked for there, by these requirements and by what they bring, what has no answer here."""
        todo = [("the project", Requirement(each)) for each in asked]
        read: dict[str, set[str]] = defaultdict(set)
        unanswered = []
        while todo:
            who, asks = todo.pop()
            name = canonicalize_name(asks.name)
            if not self.brings(name, place) or not asks.specifier.contains(self.version(name), prereleases=True):
                unanswered.append(f"{who} asks for {asks}")
                continue
            required = [Requirement(text) for text in self.installed(name).requires or ()]
            for extra in {"", *asks.extras} - read[name]:
                read[name].add(extra)
                todo += [(name, each) for each in required if holds(each, place | {"extra": extra})]
        return unanswered

    def installed(self, name: str) -> Distribution:
        """The locked release as it stands in this environment, whose metadata are those of every place."""
        found = distribution(name)
        assert found.version == self.version(name), f"{name} {found.version} is here, which is not locked: make lint"
        return found


def holds(requirement: Requirement, place: Place) -> bool:
    return not requirement.marker or requirement.marker.evaluate(dict(place))


def wanted(group: str = "") -> list[str]:
    """What pyproject.toml requires at run time, or by one dependency group alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if not group:
        return list(project["project"]["dependencies"])
    entries = project["dependency-groups"][group]
    return [one for each in entries for one in ([each] if isinstance(each, str) else wanted(each["include-group"]))]
