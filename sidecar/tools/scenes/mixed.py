"""Four formats within one stream become the envelope as its tokens come."""

from sidecar.tools.client import asked
from sidecar.tools.dialogue import TEXT, tokens_of
from sidecar.tools.scenes.cast import Cast
from sidecar.tools.show import Show, Verdict

NAME = "Mixed formats, one envelope"
EXPECTED = "one envelope, token by token, one `complete`"
TOKENS = 9


async def play(number: int, cast: Cast, show: Show) -> Verdict:
    """The backend's raw frame, and below it what became of it."""
    await show.title(number, NAME, "The backend changes its format at every token; the client gets one envelope.")
    cast.backend.tap = lambda raw: show.line("backend", raw.decode().strip(), "backend")
    frames = []
    async with asked(f"{cast.sidecar.url}/mixed", headers={"x-fake": f"tokens={TOKENS}; pace=0.3"}) as heard:
        async for frame in heard:
            frames.append(frame)
            show.line("client", frame.data or frame.block, "client")
    chunks = [frame for frame in frames if frame.type == "chunk"]
    late = [frame.at - sent for frame, sent in zip(chunks, cast.backend.records[-1].sent_at, strict=False)]
    worst = max(late, default=9.0)
    right = "".join(frame.content for frame in chunks) == "".join(tokens_of(TEXT)[:TOKENS])
    whole = [at for at, frame in enumerate(frames) if frame.type == "complete"] == [len(frames) - 1]
    seen = f"{len(chunks)} of {TOKENS} tokens, the slowest at the client {worst * 1000:.1f} ms after it left"
    return Verdict.of(NAME, EXPECTED, seen + ("" if right else ", wrong text"), right and whole and worst < 0.1)
