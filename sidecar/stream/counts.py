"""How many tokens there were, in the words of OpenAI's API and of those that count elsewhere."""

from typing import Any

import msgspec

from sidecar.stream.events import Status, Usage
from sidecar.stream.pointers import number


class Groq(msgspec.Struct, gc=False):
    """Groq's own part of a chunk."""

    usage: dict[str, Any] | None = None
    error: Any = None


class Timings(msgspec.Struct, gc=False):
    """llama.cpp's own part of a chunk."""

    prompt_n: int | None = None
    cache_n: int | None = None
    predicted_n: int | None = None


def usage(said: dict[str, Any]) -> Usage:
    """OpenAI's usage object, with the details that some backends keep at its top."""
    inner = said.get("prompt_tokens_details")
    outer = said.get("completion_tokens_details")
    # DeepSeek and Moonshot count what was cached at the top
    cached = inner.get("cached_tokens") if isinstance(inner, dict) else said.get("cached_tokens")
    return Usage(
        number(said.get("prompt_tokens", said.get("input_tokens"))),
        number(said.get("completion_tokens", said.get("output_tokens"))),
        number(said.get("total_tokens")),
        number(said.get("prompt_cache_hit_tokens") if cached is None else cached),
        number(outer.get("reasoning_tokens") if isinstance(outer, dict) else said.get("reasoning_tokens")),
        cache_creation_input_tokens=number(
            inner.get("cache_write_tokens", inner.get("cache_creation_tokens"))
            if isinstance(inner, dict)
            else said.get("cache_creation_input_tokens")
        ),
    )


def beside(groq: Groq | None, timings: Timings | None, last: bool) -> list[Usage]:
    """Groq's counts, and llama.cpp's where nobody asked for usage, which count in its `last` frame alone."""
    if groq:
        return [usage(groq.usage)] if groq.usage else []
    if not timings or timings.predicted_n is None or not last:
        return []
    given = timings.prompt_n if timings.prompt_n is None else timings.prompt_n + (timings.cache_n or 0)
    return [Usage(number(given), number(timings.predicted_n), None, number(timings.cache_n))]


def progress(said: Any) -> Status:
    """llama.cpp's `return_progress`: how much of the prompt is read."""
    if isinstance(said, dict):
        total, done = said.get("total"), said.get("processed")
        if isinstance(total, int) and isinstance(done, int) and total > 0:
            return Status("progress", {"progress": round(min(1.0, max(0.0, done / total)), 4)})
    return Status("progress")


def merged(known: Usage, said: Usage) -> Usage:
    """What is known after this was said too: a count only grows, and a zero after more than that is a field left empty
    (watsonx, Ollama)."""
    return Usage(
        said.input_tokens or _kept(said.input_tokens, known.input_tokens),
        said.output_tokens or _kept(said.output_tokens, known.output_tokens),
        said.total_tokens or _kept(said.total_tokens, known.total_tokens),
        said.cached_input_tokens or _kept(said.cached_input_tokens, known.cached_input_tokens),
        said.reasoning_tokens or _kept(said.reasoning_tokens, known.reasoning_tokens),
        said.source,
        said.cache_creation_input_tokens or _kept(said.cache_creation_input_tokens, known.cache_creation_input_tokens),
        said.cache_apart or known.cache_apart,
        said.reasoning_apart or known.reasoning_apart,
    )


def _kept(said: int | None, known: int | None) -> int | None:
    return said if known is None else known
