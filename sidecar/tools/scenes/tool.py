"""The fragments of a tool call's arguments are put together and parsed once."""

import msgspec

from sidecar.tools.client import asked
from sidecar.tools.scenes.cast import Cast
from sidecar.tools.show import Show, Verdict

NAME = "A tool call, parsed once"
EXPECTED = "all fragments in one `tool_call`, parsed"
FORECAST = {
    "name": "get_forecast",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
}
ARGUMENTS = {"city": "Zürich", "days": 3}


async def play(number: int, cast: Cast, show: Show) -> Verdict:
    """The backend's fragments as they leave it, then the one frame that the client gets."""
    await show.title(number, NAME, "The arguments leave the backend in pieces; the client gets one parsed call.")
    fragments: list[str] = []

    def tap(raw: bytes) -> None:
        for fragment in fragments_of(raw):
            fragments.append(fragment)
            show.inline("backend", f"{fragment} ┆ ", "backend")

    cast.backend.tap = tap
    frames = []
    body = cast.chat(tools=[{"type": "function", "function": FORECAST}])
    async with asked(cast.chat_url, body, {"x-fake": "pace=0.12"}) as heard:
        async for frame in heard:
            frames.append(frame)
            show.tell("client", frame.data or frame.block, "client")
    calls = [frame.envelope()["data"]["tool_call"] for frame in frames if frame.message == "tool_call"]
    right = [call.get("arguments") for call in calls] == [ARGUMENTS]
    seen = f"{len(fragments)} fragments, {len(calls)} `tool_call`, its arguments {'right' if right else 'wrong'}"
    return Verdict.of(NAME, EXPECTED, seen, right and len(fragments) > 3 and frames[-1].type == "complete")


def fragments_of(raw: bytes) -> list[str]:
    """The pieces of arguments in one frame of OpenAI's dialect."""
    if raw.startswith(b"data: [DONE]"):
        return []
    choices = msgspec.json.decode(raw.removeprefix(b"data: "))["choices"]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    return [call["function"]["arguments"] for call in calls if call["function"]["arguments"]]
