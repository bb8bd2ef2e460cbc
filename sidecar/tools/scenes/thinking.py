"""A backend that is silent for long is kept alive; its reasoning is told as it comes."""

import time

from sidecar.tools.client import Frame, asked
from sidecar.tools.dialogue import THOUGHT
from sidecar.tools.scenes.cast import Cast
from sidecar.tools.show import Show, Verdict

NAME = "Slow to think, kept alive"
EXPECTED = "pings and `reasoning` before the first text"
SWITCHES = {"x-fake": "silence=3.5; pace=0.06; tokens=15"}


async def play(number: int, cast: Cast, show: Show) -> Verdict:
    """Pings in the silence, then statuses, then text."""
    await show.title(number, NAME, "The backend is silent for 3.5 s, then reasons. We ping every second.")
    frames: list[Frame] = []
    kinds: set[tuple[str, str]] = set()
    began = time.monotonic()
    async with asked(cast.chat_url, cast.chat() | {"model": "fake-thinking"}, SWITCHES) as heard:
        async for frame in heard:
            frames.append(frame)
            tell(show, frame, f"{frame.at - began:.1f} s", kinds)
    thought = "".join(frame.content for frame in frames if frame.message == "reasoning")
    spoken = next((at for at, frame in enumerate(frames) if frame.content), len(frames))
    pings = sum(frame.ping for frame in frames[:spoken])
    whole = bool(frames) and frames[-1].type == "complete"
    right = "the reasoning" if thought == THOUGHT else "no whole reasoning"
    seen = f"{pings} pings in the silence, {right}, then {'the answer' if whole else 'no end'}"
    return Verdict.of(NAME, EXPECTED, seen, pings >= 2 and thought == THOUGHT and whole)


def tell(show: Show, frame: Frame, lane: str, kinds: set[tuple[str, str]]) -> None:
    """A ping and the first frame of a kind whole, of the others their text."""
    kind = (frame.type, frame.message)
    if frame.ping or kind not in kinds:
        show.line(lane, frame.data or frame.block, "note" if frame.ping else "client")
    else:
        show.inline("", frame.content, "client")
    kinds.add(kind)
