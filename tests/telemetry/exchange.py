"""One scripted exchange, told step by step to a Life; time and chance are fixed."""

from dataclasses import dataclass
from typing import Any

from sidecar.stream import events as ev
from sidecar.telemetry.life import Life
from sidecar.telemetry.telemetry import Telemetry

SECRET = "sk-very-secret-0123456789"
PROMPT = "the patient's name"
WALL_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Upstream:
    name: str = "backend"
    url: str = f"http://user:{SECRET}@10.0.0.7:8000/base?key={SECRET}"


@dataclass(frozen=True)
class Decision:
    rule: str = "chat"
    route: str = "/v1/chat/completions"


def scope(*headers: tuple[bytes, bytes], method: str = "POST", path: str = "/v1/chat/completions") -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": f"key={SECRET}".encode(),
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(b"host", b"api.example"), (b"authorization", f"Bearer {SECRET}".encode()), *headers],
    }


def telemetry(**more: Any) -> Telemetry:
    return Telemetry("1.2.3", **{"environ": {}, "wall": lambda: WALL_NS, **more})


def routed(told: Telemetry, *headers: tuple[bytes, bytes], model: str = "gpt-4o", stream: bool = True) -> Life:
    life = told.begin(scope(*headers), 100.0)
    life.routed(
        Decision(), upstream=Upstream(), dialect="openai-chat", model=model, format="envelope-v1", stream=stream
    )
    return life


def answered(told: Telemetry, *headers: tuple[bytes, bytes], model: str = "gpt-4o") -> Life:
    """A stream of four chunks at 100.5, 100.6, 100.7 and 101.0, not ended yet."""
    life = routed(told, *headers, model=model)
    life.head(200, 100.4)
    life.bytes_in += 1000
    life.observe([ev.Start(model="gpt-4o-2024", id="chatcmpl-1")], 100.4)
    life.pinged(8)
    life.padded(256)
    for at in (100.5, 100.6, 100.7, 101.0):
        life.observe([ev.TextDelta(PROMPT)], at)
        life.delivered(50, at + 0.01)
    life.observe([ev.Finish("stop"), ev.Usage(input_tokens=9, output_tokens=6), ev.End()], 101.0)
    return life
