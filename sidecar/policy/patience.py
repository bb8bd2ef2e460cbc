"""How long a backend may be silent: the deadlines of one exchange, over time stamps that others store."""

from sidecar.policy.config import Timeouts

NEVER = float("inf")


class Patience:
    """The facts that deadlines depend on, set by the relay as they become true; times are seconds of one clock.

    `stream`: a stream is asked for or being answered. `headed`: the answer's head is here. `committed`: content was
    seen. `said_all`: every choice is finished, only the connection stays open. `idle_from`: when the last event was
    through; it is not counted while `blocked`, since then the client keeps us from reading.
    """

    __slots__ = ("_limits", "accepted", "blocked", "committed", "headed", "idle_from", "said_all", "stream")

    def __init__(self, limits: Timeouts, accepted: float, stream: bool) -> None:
        self._limits = limits
        self.accepted = self.idle_from = accepted
        self.stream = stream
        self.headed = self.committed = self.said_all = self.blocked = False

    def judge(self, now: float) -> tuple[str, float]:
        """The outcome whose deadline has passed (empty: none), and when the next one will.

        `over` is no outcome but the end of a stream that has said all and does not close.
        """
        # what is committed between two looks must be idle that long, so nobody need look when that happens
        due = now + self._limits.idle if self.stream and self._limits.idle else NEVER
        for since, limit, why in self._waits(now):
            if limit and now >= since + limit:
                return why, NEVER
            due = min(due, since + limit if limit else NEVER)
        return "", due

    def _waits(self, now: float) -> list[tuple[float, float, str]]:
        limits = self._limits
        waits = [(self.accepted, limits.total, "timed_out")]
        if not self.headed:
            waits.append((self.accepted, limits.head, "head_timeout"))
        if self.stream and self.said_all:
            waits.append((self.idle_from, limits.idle, "over"))
        elif self.stream and not self.committed:
            waits.append((self.accepted, limits.first_token, "first_token_timeout"))
        elif self.stream:
            waits.append((now if self.blocked else self.idle_from, limits.idle, "stalled"))
        return waits
