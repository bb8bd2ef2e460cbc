"""The vocabulary: what a stream says, whatever dialect it was said in.

Dialects make these, the parser orders them, wires and telemetry read them. Nothing here does anything.
A stream is one `Start`, any number of the others, and one last word: `End` or `Error`.
"""

from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="event", omit_defaults=True):
    """Base of all; `tag` names the event in recorded `.events.jsonl` files."""


class Start(Event, tag="start", frozen=True, gc=False):
    """The first event: the backend began to answer. What it does not say is empty."""

    model: str = ""
    id: str = ""


class TextDelta(Event, tag="text", frozen=True, gc=False):
    """More of the answer's text; `refusal` when the model says why it will not answer."""

    text: str
    choice: int = 0
    refusal: bool = False


class TextSnapshot(Event, tag="snapshot", frozen=True, gc=False):
    """The answer's whole text so far, or more of it: a `growth.Growth` tells. The parser makes deltas of it.

    `tokens` are those of the answer so far, of which at most so many are `unseen` in its whole text; `growth` is the
    dialect's own, where it asks it too.
    """

    text: str
    choice: int = 0
    reasoning: bool = False
    tokens: int | None = None
    unseen: int = 0
    growth: Any = None


class ReasoningDelta(Event, tag="reasoning", frozen=True, gc=False):
    """More of the model's reasoning."""

    text: str
    choice: int = 0


class ToolCallDelta(Event, tag="tool_call_delta", frozen=True, gc=False):
    """A fragment of a call that the client shall make. `arguments` is JSON text, in pieces.

    A dialect's `index` is its own and may be None (the call after, or the same as, the last one); the parser's is
    0, 1, 2 ... in order of appearance. The parser's says `id` and `name` as far as they are known, both empty and with
    no arguments while one of them may still come; all arguments of a call, joined, are those of its `ToolCallEnd`.
    """

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str = ""
    choice: int = 0


class ToolCallEnd(Event, tag="tool_call", frozen=True, gc=False):
    """A call is complete. A dialect sends `index` alone, or with `arguments_text` where it says the whole at the end
    (used if no fragment came before); the parser adds the arguments, parsed exactly once.

    `arguments` is None with `invalid` where the text does not parse or was cut. `fragments` counts the deltas
    that carried arguments, `bytes` their UTF-8 length, `parses` how often they were parsed (0 or 1).
    """

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: Any = None
    arguments_text: str = ""
    invalid: bool = False
    fragments: int = 0
    bytes: int = 0
    parses: int = 0
    choice: int = 0


class Usage(Event, tag="usage", frozen=True, gc=False):
    """Token counts so far, the provider's own words; None is unknown. The parser merges: the last value wins.

    `cache_apart`: input_tokens does not contain what was read from or written to a cache (Anthropic, Bedrock).
    `reasoning_apart`: output_tokens does not contain the reasoning (Gemini).
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    source: str = "reported"
    cache_creation_input_tokens: int | None = None
    cache_apart: bool = False
    reasoning_apart: bool = False


class Finish(Event, tag="finish", frozen=True, gc=False):
    """One choice is complete. `reason` is canonical (see FINISH_REASONS), `raw` the provider's own word, `message` what
    it says besides. From a dialect it may come early, in each frame, or with an
    empty `reason`: not yet; the parser sends the last one, at the end.
    """

    reason: str
    raw: str = ""
    choice: int = 0
    message: str = ""


class Status(Event, tag="status", frozen=True, gc=False):
    """Something to show while waiting. `data` is merged into the frame; a backend's own text is `message`."""

    message: str
    data: dict[str, Any] = {}


class Extension(Event, tag="extension", frozen=True, gc=False):
    """What no other event says, kept: `name` says where it was seen, `value` is the decoded JSON or the text.

    `call` is the tool call that it belongs to, where it belongs to one: a dialect's is the dialect's index or -1 for
    the last, the parser's is as in `ToolCallDelta`.
    """

    name: str
    value: Any = None
    choice: int = 0
    call: int | None = None


class Error(Event, tag="error", frozen=True, gc=False):
    """The last word of a stream that failed.

    `outcome` is a word of `policy.outcome.OUTCOMES`. `code` is set only where it says more than the outcome
    does (AUTH, TOKEN_LIMIT, OVERLOADED); `type` and `status` are the provider's. `retry_after` is in seconds.
    """

    outcome: str
    message: str
    code: str = ""
    type: str = ""
    status: int = 0
    retry_after: float | None = None
    recoverable: bool | None = None


class End(Event, tag="end", frozen=True, gc=False):
    """The last word of a stream that is whole."""


FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "refusal", "pause", "cancelled", "error", "other")

CONTENT = (TextDelta, ReasoningDelta, ToolCallDelta)
"""The events that commit a stream: after one of them a retry would repeat what the client has seen."""

AnyEvent = (
    Start
    | TextDelta
    | TextSnapshot
    | ReasoningDelta
    | ToolCallDelta
    | ToolCallEnd
    | Usage
    | Finish
    | Status
    | Extension
    | Error
    | End
)
