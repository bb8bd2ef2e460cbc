"""Chance that can be taken back: each decision has a name and its own dice, so that one of them can be made the usual
way while all others stay as they were."""

from collections.abc import Collection
from random import Random

ODDS = (0.02, 0.08, 0.25)
"""How often a stream departs from the usual, by stream: few show a fault alone, many show how faults meet."""


class Dice:
    """The decisions of one stream. `strange` are those that were not the usual way, as "what: how"."""

    def __init__(self, seed: str, usual: Collection[str] = ()) -> None:
        self.seed = seed
        self.strange: set[str] = set()
        self._usual = usual
        self._odds = Random(seed).choice(ODDS)
        self._dice: dict[str, Random] = {}

    def of(self, name: str) -> Random:
        """Chance for what is no departure, such as words and sizes."""
        if name not in self._dice:
            self._dice[name] = Random(f"{self.seed} {name}")
        return self._dice[name]

    def way(self, name: str, usual: str, *others: str) -> str:
        """One of these."""
        chance = Random(f"{self.seed} {name}!")
        if chance.random() >= self._odds * (1 if len(others) < 3 else 2):
            return usual
        way = chance.choice(others)
        if (said := f"{name}: {way}") in self._usual:
            return usual
        self.strange.add(said)
        return way

    def maybe(self, name: str) -> bool:
        return self.way(name, "no", "yes") == "yes"
