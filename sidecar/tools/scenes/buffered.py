"""The same answer twice through nginx: without the sidecar's headers in one lump, with them token by token."""

import asyncio
import time

from sidecar.tools.client import asked
from sidecar.tools.delivery import Delivery
from sidecar.tools.scenes.cast import Cast
from sidecar.tools.show import Show, Verdict

NAME = "nginx, buffering as it does by default"
EXPECTED = "a lump without our headers, token by token with them"
MISSING = "nginx is not installed (Debian, Ubuntu: apt-get install nginx; macOS: brew install nginx)"
MARK = 0.1
QUICK = 0.5


async def play(number: int, cast: Cast, show: Show) -> Verdict:
    """Both deliveries, drawn as they come and measured."""
    await show.title(number, NAME, "The same answer twice. A mark is 0.1 s: · nothing, • tokens, █ a lump.")
    if not cast.nginx:
        show.say(f"{MISSING}, so this scene is left out.", "note")
        return Verdict(NAME, EXPECTED, MISSING, "FAILED" if cast.nginx_required else "skipped")
    lump = await deliver(cast, show, "without", {"x-demo": "no-headers"})
    live = await deliver(cast, show, "with", {})
    cast.deliveries += [lump, live]
    if not cast.llm and live.at[-1] < QUICK:
        seen = f"the whole answer took {live.at[-1]:.2f} s: too quick to tell a lump from a stream"
        return Verdict(NAME, EXPECTED, seen, "skipped")
    seen = f"first token after {lump.ttft:.2f} s without, after {live.ttft:.2f} s with them"
    return Verdict.of(NAME, EXPECTED, seen, live.ttft < lump.ttft and live.spread > 5 * lump.spread)


async def deliver(cast: Cast, show: Show, lane: str, headers: dict[str, str]) -> Delivery:
    """One answer through nginx, and when each token of it came."""
    at: list[float] = []
    drawing = asyncio.create_task(draw(show, lane, at))
    sent = {"x-fake": "tokens=40; pace=0.07", **headers}
    began = time.monotonic()
    try:
        async with asked(f"{cast.nginx}/v1/chat/completions", cast.chat(max_tokens=60), sent) as heard:
            async for frame in heard:
                at += [frame.at - began] * bool(frame.content)
        await asyncio.sleep(MARK)
    finally:
        drawing.cancel()
    delivery = Delivery(f"{lane} the sidecar's headers", tuple(at))
    show.line("", f"TTFT {delivery.ttft:.3f} s, TPOT {delivery.tpot * 1000:.1f} ms, {len(at)} tokens", "title")
    return delivery


async def draw(show: Show, lane: str, at: list[float]) -> None:
    """A mark for each tenth of a second, for ever."""
    drawn = 0
    while True:
        await asyncio.sleep(MARK)
        new, drawn = len(at) - drawn, len(at)
        lump = new > 5
        show.inline(lane, "█" if lump else "•" if new else "·", "bad" if lump else "client")
