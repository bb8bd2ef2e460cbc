"""Who is on stage, and what every scene asks."""

from typing import Any

import msgspec

from sidecar.tools.delivery import Delivery
from sidecar.tools.fakellm import FakeLLM
from sidecar.tools.stage import Sidecar


class Cast(msgspec.Struct):
    """`llm` is the embedded backend, None where a person brought their own; `nginx` is empty where it is missing."""

    sidecar: Sidecar
    model: str
    llm: FakeLLM | None = None
    nginx: str = ""
    nginx_required: bool = False
    deliveries: list[Delivery] = []

    @property
    def backend(self) -> FakeLLM:
        """The embedded backend, for the scenes that need its switches and its witness."""
        assert self.llm
        return self.llm

    @property
    def chat_url(self) -> str:
        """Where a chat is asked, directly at the sidecar."""
        return f"{self.sidecar.url}/v1/chat/completions"

    def chat(self, question: str = "What is a stream for?", **more: Any) -> dict[str, Any]:
        """The body of a streamed chat request."""
        messages = [{"role": "user", "content": question}]
        return {"model": self.model, "stream": True, "messages": messages, **more}
