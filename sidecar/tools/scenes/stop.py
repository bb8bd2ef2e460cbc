"""A client that leaves ends the generation."""

import secrets
import time

from sidecar.tools.client import asked
from sidecar.tools.scenes.cast import Cast
from sidecar.tools.show import Show, Verdict

NAME = "Stop"
TOKENS = 12


async def play(number: int, cast: Cast, show: Show) -> Verdict:
    """With the embedded backend as the witness: its own line, and the time until it saw the close."""
    await show.title(number, NAME, f"The client leaves after {TOKENS} tokens; the last word is the backend's own.")
    request = len(cast.backend.records) + 1
    left = await leave(cast, show, {"x-fake": "pace=0.12"})
    record = await cast.backend.ended(request)
    delay = (record.ended_at or 0.0) - left
    show.line("", f"{delay * 1000:.1f} ms after the client's close", "title")
    seen = f"{record.state} after {record.tokens} of {record.of} tokens, {delay * 1000:.1f} ms after the close"
    return Verdict.of(NAME, "the backend's generation ends", seen, record.state == "cancelled" and delay < 1)


async def play_own(number: int, cast: Cast, show: Show) -> Verdict:
    """With the sidecar's own log line as the witness, where the backend is a person's own."""
    await show.title(
        number, NAME, f"The client leaves after {TOKENS} tokens; the sidecar closes the backend's connection."
    )
    trace = secrets.token_hex(16)
    left = await leave(cast, show, {"traceparent": f"00-{trace}-{trace[:16]}-01"})
    line = await cast.sidecar.event(lambda line: line.get("trace_id") == trace and "outcome" in line)
    delay = time.monotonic() - left
    show.line("sidecar", f"outcome {line['outcome']}", "client")
    seen = f"outcome {line['outcome']}, {delay * 1000:.1f} ms after the close"
    expected = "outcome `client_left`: the backend's connection is closed"
    return Verdict.of(NAME, expected, seen, line["outcome"] == "client_left" and delay < 1)


async def leave(cast: Cast, show: Show, headers: dict[str, str]) -> float:
    """Read a few tokens, then close; the moment of it."""
    read = 0
    async with asked(cast.chat_url, cast.chat("Count to one thousand.", max_tokens=2000), headers) as heard:
        async for frame in heard:
            show.inline("client", frame.content, "client")
            read += bool(frame.content)
            if read == TOKENS:
                break
        show.line("client", "closes its connection", "note")
        return time.monotonic()
