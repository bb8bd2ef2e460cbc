"""When the tokens of one answer reached the client, and the two numbers that people feel."""

from collections.abc import Iterable
from typing import Any

import msgspec


class Delivery(msgspec.Struct, frozen=True):
    """`at` holds the seconds from the request to each token's arrival, in order."""

    name: str
    at: tuple[float, ...]

    @property
    def ttft(self) -> float:
        """Seconds to the first token."""
        return self.at[0]

    @property
    def tpot(self) -> float:
        """Mean seconds from one token to the next: the span divided by N-1."""
        return self.spread / max(1, len(self.at) - 1)

    @property
    def spread(self) -> float:
        """Seconds from the first token to the last."""
        return self.at[-1] - self.at[0]

    def told(self) -> dict[str, Any]:
        """As JSON, in seconds; no text of the answer is in it."""
        return {
            "name": self.name,
            "tokens": len(self.at),
            "ttft_s": round(self.ttft, 4),
            "tpot_s": round(self.tpot, 4),
            "at_s": [round(at, 4) for at in self.at],
        }


def report(deliveries: Iterable[Delivery]) -> bytes:
    """The content of `timestamps.json`."""
    return msgspec.json.format(msgspec.json.encode({"deliveries": [delivery.told() for delivery in deliveries]}))
