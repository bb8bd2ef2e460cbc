"""How each dialect says a speech: the bytes that the real servers send, in the shapes that recordings show."""

import re

from sidecar.tools.speakers.anthropic import Anthropic
from sidecar.tools.speakers.gemini import Gemini
from sidecar.tools.speakers.mixed import Mixed
from sidecar.tools.speakers.ollama import Ollama
from sidecar.tools.speakers.openai import OpenAI
from sidecar.tools.speakers.responses import Responses
from sidecar.tools.speakers.speaker import Speaker

SPEAKERS: dict[str, Speaker] = {
    "/v1/chat/completions": OpenAI(),
    "/v1/responses": Responses(),
    "/v1/messages": Anthropic(),
    "/api/chat": Ollama(),
    "/api/generate": Ollama(),
    "/mixed": Mixed(),
}


def speaker_of(path: str) -> Speaker | None:
    """Who answers on this path, None where nobody does."""
    if re.fullmatch(r"/v1(beta)?/models/[^/]+:(stream)?[gG]enerateContent", path):
        return Gemini()
    return SPEAKERS.get(path)
