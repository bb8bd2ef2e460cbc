"""A person's own backend in the envelope."""

from sidecar.tools.client import asked
from sidecar.tools.scenes.cast import Cast
from sidecar.tools.show import Show, Verdict

NAME = "Your backend in the envelope"


async def play(number: int, cast: Cast, show: Show) -> Verdict:
    """The first frames whole, the text of the others, the last word."""
    await show.title(number, NAME, f"{cast.model} answers as it always does; the client gets the envelope.")
    types: list[str] = []
    tokens = 0
    async with asked(cast.chat_url, cast.chat(max_tokens=60)) as heard:
        async for frame in heard:
            types.append(frame.type)
            tokens += bool(frame.content)
            if len(types) <= 5 or frame.type in ("complete", "error"):
                show.line("client", frame.data or frame.block, "client")
            else:
                show.inline("", frame.content, "client")
    last = types[-1] if types else "nothing"
    seen = f"{types.count('chunk')} chunks, {types.count('status')} statuses, then `{last}`"
    return Verdict.of(NAME, "text or reasoning, then `complete`", seen, tokens > 0 and last == "complete")
