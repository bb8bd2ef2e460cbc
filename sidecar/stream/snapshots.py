"""Texts that may be cumulative, made into what is new in each of their pieces."""

from sidecar.stream.events import ReasoningDelta, TextDelta, TextSnapshot
from sidecar.stream.growth import Growth

MAX_SNAPSHOTS = 16 << 20
"""Characters of text so far that are kept for all choices of a cumulative stream; beyond it the stream is malformed."""

Deltas = list[TextDelta | ReasoningDelta]


class Snapshots:
    """One stream's, of all its choices."""

    def __init__(self) -> None:
        self._texts: dict[tuple[int, bool], Growth] = {}  # choice, whether it is reasoning
        self.wait = False  # whether a part of what came is not delivered
        self.over = False  # whether more is kept than may be
        self._longest = 0

    def fresh(self, event: TextSnapshot) -> Deltas:
        """What may be delivered now; where a choice goes on to say something else, what it said before comes first."""
        key = event.choice, event.reasoning
        growth = self._texts.get(key)
        if growth is None:
            growth = self._texts[key] = event.growth or Growth(True)
        deltas = self.rest(event.choice, but=key) if self.wait and event.text else []
        deltas += _delta(key, growth.fresh(event.text, event.tokens, event.unseen))
        if self.wait or growth.waits:
            self.wait = any(text.waits for text in self._texts.values())
        if len(event.text) > self._longest:
            self._longest = len(event.text)
        if self._longest * len(self._texts) > MAX_SNAPSHOTS:
            self.over = sum(text.size for text in self._texts.values()) > MAX_SNAPSHOTS
        return deltas

    def rest(self, choice: int | None = None, but: tuple[int, bool] | None = None) -> Deltas:
        """What waits, of one choice or of all."""
        keys = [key for key in self._texts if key != but and choice in (None, key[0])]
        deltas = [delta for key in keys for delta in _delta(key, self._texts[key].rest())]
        self.wait = any(text.waits for text in self._texts.values())
        return deltas


def _delta(key: tuple[int, bool], text: str) -> Deltas:
    choice, reasoning = key
    return [ReasoningDelta(text, choice) if reasoning else TextDelta(text, choice)] if text else []
