"""Why the choices of a stream finished: the last word that each said, told when nothing more can follow it."""

from sidecar.stream.events import Error, Finish

_FAILED = {
    "error": ("upstream_error", "the backend finished with an error"),
    "cancelled": ("stopped", "the answer was cancelled at the backend"),
}
"""Reasons of an answer that the model has not finished: the outcome, and what is told."""


class Finishes:
    """One stream's. Some servers say a reason with the first frame, or with each: what comes behind takes it back.

    `over` is of each choice whether it said why it finished, and nothing since; `early` that the word of some choice
    came before its end, so that it cannot tell the end of a body that broke off.
    """

    def __init__(self) -> None:
        self.over: dict[int, bool] = {}
        self._last: dict[int, Finish] = {}
        self._early: dict[int, str] = {}  # choice -> its word that was said before its end

    @property
    def all_over(self) -> bool:
        return bool(self.over) and all(self.over.values())

    @property
    def early(self) -> bool:
        return bool(self._early)

    def goes_on(self, choice: int) -> None:
        """There is more of this choice: a word by which it had finished came too early."""
        if self.over.get(choice):
            self._early[choice] = self._last[choice].raw
        self.over[choice] = False

    def said(self, event: Finish, beside: bool) -> None:
        """A word, `beside` content of the same frame. An empty one is that of a choice that has only begun."""
        choice = event.choice
        if not event.reason:
            self.over.setdefault(choice, False)
            return
        if event.raw or choice not in self._last:
            self._last[choice] = event
        self.over[choice] = True
        if choice in self._early and (event.raw != self._early[choice] or not beside):
            del self._early[choice]

    def of(self, choice: int) -> Finish:
        """Why it finished: by default because the model stopped."""
        self.over[choice] = True
        return self._last.get(choice) or Finish("stop", "", choice)

    def failure(self) -> Error | None:
        """What is told instead of an end where the model has not finished a choice."""
        failed = next((finish for finish in self._last.values() if finish.reason in _FAILED), None)
        if not failed:
            return None
        outcome, said = _FAILED[failed.reason]
        return Error(outcome, failed.message or f"{said} ({failed.raw or failed.reason})", type=failed.raw)
