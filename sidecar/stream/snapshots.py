"""Cumulative streams: frames that say the whole text so far, made into what is new in each."""

from sidecar.stream.events import TextSnapshot

MAX_SNAPSHOTS = 16 << 20
"""Characters of text so far that are kept for all choices of a cumulative stream; beyond it the stream is malformed."""


class Snapshots:
    """One stream's, of all its choices."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._incremental: set[int] = set()

    @property
    def over(self) -> bool:
        """Whether more is kept than may be."""
        return sum(map(len, self._texts.values())) > MAX_SNAPSHOTS

    def fresh(self, event: TextSnapshot) -> str:
        """The text that was not there before."""
        choice, text = event.choice, event.text
        if choice in self._incremental:
            return text
        before = self._texts.get(choice, "")
        if text.startswith(before):
            self._texts[choice] = text
            return text[len(before) :]
        # a server told to send only what is new (SGLang, DashScope) sends frames of the same shape
        self._incremental.add(choice)
        del self._texts[choice]
        return text
