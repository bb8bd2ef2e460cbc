"""Dialects: what one family of backends means by its frames. One module each, one folder of fixtures each.

To add one, say `foo-chat`:

1. Record it: `curl -N ... > tests/fixtures/foo-chat/basic.sse` (or .ndjson, .json, .txt, .bin), the bytes untouched.
2. Write `foo_chat.py` here; the module's name is the dialect's name in the configuration. It has

       def matches(frame, said): ...   # whether this first frame, decoded to `said` (None: not JSON), is ours
       def decoder(): ...              # -> decode(frame) for one stream: its events, or None for "not mine"

   and where a client may speak it too (so that a passed-through stream can be pinged and can end in an error):
   `PATHS` (endings of request paths that are its API's, `*` is one segment; `SHARED_PATHS`: such as home-made endpoints
   have, too; `speaks(path, query)` where more than the path tells that it is spoken), `PING` and `error_frame(error,
   so_far)`, both bytes.
   `ENDS_OPEN = True`: it has no end mark. `REFRAIN = ()`: its decoder keeps nothing of a frame of text, so that one
   with other words need not be decoded (`stream/refrain.py`); in it are the keys that the decoder never reads and whose
   values change in each frame. A decoder that must know all the words has them added to its list `heard` (`said.py`).
   What a dialect does not say, it leaves out. Add the name to `ORDER`.
   A stream of small objects of one shape is a page of pointers: see `shapes.Shape`, and `tgi.py` for one.
3. `sidecar decode --dialect foo-chat --json tests/fixtures/foo-chat/basic.sse > .../basic.events.jsonl`, and read it.
4. `make test`. Every fixture is run whole, byte by byte, cut in two everywhere, truncated and mutated.

A decoder may send tool calls in any shape that `events.ToolCallDelta` allows, repeat `Start`, and never needs to
judge whether the stream is whole: the parser does.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from sidecar.stream.events import Error, Event
from sidecar.stream.framing import Frame
from sidecar.stream.sofar import SoFar

Decode = Callable[[Frame], Iterable[Event] | None]

ORDER = (
    "openai-chat",
    "anthropic",
    "openai-responses",
    "adk",
    "gemini",
    "ollama",
    "bedrock-agents",
    "bedrock",
    "sagemaker",
    "lmstudio",
    "cohere",
    "openai-assistants",
    "openai-transcription",
    "gemini-interactions",
    "llamacpp",
    "tgi",
    "sglang",
    "dashscope",
    "dify",
    "watsonx",
    "replicate",
    "ag-ui",
    "vercel-ui",
    "vercel-data",
    "gradio",
    "koboldcpp",
    "triton",
    "cloudflare",
    "writer-completions",
    "homemade",
    "generic",
    "text",
)
"""The order in which a first frame is offered: the more particular shape before the more general one."""

GUESSES = ORDER[ORDER.index("koboldcpp") :]
"""Those whose frames may as well be another's."""

HOME_MADE = ("homemade", "generic", "text", "custom")
"""Those of no provider, whose streams may well have no mark of their end; `custom` is described by pointers."""

ODD = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What a dialect raises at a frame whose values are of other types than its own: it is not the dialect's."""


class Dialect(Protocol):
    """What a dialect's module has; the last three are optional."""

    def matches(self, frame: Frame, said: Any) -> bool: ...

    def decoder(self) -> Decode: ...


def names() -> tuple[str, ...]:
    """The names that `dialect:` takes."""
    return ("auto", *ORDER)


@cache
def load(name: str) -> Any:
    """The module of a dialect (typed Any: its optional parts are asked for by `getattr`)."""
    return import_module(f"{__name__}.{name.replace('-', '_')}")


def load_all() -> None:
    """Import every dialect now, where the first request would wait for it (170 ms)."""
    for name in ORDER:
        load(name)


def recognise(frame: Frame, said: Any, among: tuple[str, ...] = ORDER) -> str:
    """The name of the dialect whose frame this is; empty where none knows it."""
    for name in among:
        try:
            if load(name).matches(frame, said):
                return name
        except ODD:
            continue
    return ""


def of_path(path: str, query: str = "") -> str:
    """The dialect that a client speaks who asks for this path; empty where the path does not tell."""
    for name in ORDER:
        speaks = getattr(load(name), "speaks", None)
        if speaks(path, query) if speaks else (_ends(path, name, "PATHS") or _ends(path, name, "SHARED_PATHS")):
            return name
    return ""


def apis(path: str) -> tuple[list[str], list[str]]:
    """The dialects whose API's path this is; and those whose it may be, and a home-made one's as well."""
    sure = [name for name in ORDER if _ends(path, name, "PATHS")]
    return sure, [name for name in ORDER if _ends(path, name, "SHARED_PATHS")]


def _ends(path: str, name: str, kind: str) -> bool:
    plain, starred = _endings(name, kind)
    return path.endswith(plain) or bool(starred and starred.search(path))


@cache
def _endings(name: str, kind: str) -> tuple[tuple[str, ...], re.Pattern[str] | None]:
    """The endings of a dialect's paths, and those with a `*`, which is one segment."""
    endings: tuple[str, ...] = getattr(load(name), kind, ())
    starred = "|".join(re.escape(ending).replace(r"\*", "[^/]+") for ending in endings if "*" in ending)
    plain = tuple(ending for ending in endings if "*" not in ending)
    return plain, re.compile(rf"(?:{starred})\Z") if starred else None


def ends_open(name: str) -> bool:
    """Whether the dialect has no end mark, so that the clean end of a body is the end of its stream."""
    return name in ORDER and getattr(load(name), "ENDS_OPEN", False)


def ping(name: str) -> bytes:
    """A frame that a client of this dialect reads and ignores; empty where there is none."""
    return bytes(getattr(load(name), "PING", b"")) if name in ORDER else b""


@cache
def refrain(name: str) -> tuple[str, ...] | None:
    """The keys whose values mean nothing, where a frame of text means the same whatever came before it; else None."""
    return getattr(load(name), "REFRAIN", None) if name in ORDER else None


def bears_comments(name: str) -> bool:
    """Whether clients of this dialect read past an SSE comment."""
    return name not in ORDER or getattr(load(name), "COMMENTS", True)


def retold(name: str, body: bytes) -> bytes:
    """A whole answer as the dialect's own stream says it; empty where it is none of the dialect's."""
    retell = getattr(load(name), "retold", None) if name in ORDER else None
    return bytes(retell(body)) if retell else b""


def error_frame(name: str, error: Error, so_far: SoFar) -> bytes:
    """The dialect's own way to say that a stream which said this failed; empty where it has none."""
    make = getattr(load(name), "error_frame", None) if name in ORDER else None
    return make(error, so_far) if make else b""
