"""Why a choice finished: what the providers call it, and our word (`events.FINISH_REASONS`)."""

import re
from functools import lru_cache

_WORDS = {
    "stop": "stop end_turn stop_sequence eos eos_token complete completed done finished load unload success stop_token"
    " normal end finish endoftext end_of_text",
    "length": "length limit max_tokens max_token model_length max_output_tokens incomplete"
    " maximum_tokens max_new_tokens max_length token_limit"
    " model_context_window_exceeded",
    "tool_calls": "tool_calls tool_call tool_use function_call requires_action",
    "content_filter": "content_filter content_filtered guardrail_intervened safety recitation prohibited_content"
    " blocklist spii language sensitive error_toxic"
    # Gemini's and Vertex AI's FinishReason: of images, and of Model Armor
    " image_safety image_prohibited_content image_recitation model_armor",
    "refusal": "refusal",
    "pause": "pause pause_turn",
    "cancelled": "cancelled canceled user_cancelled",
    "error": "error error_limit insufficient_system_resource failed network_error"
    # vLLM's and SGLang's, of a request that was taken back: by the server, since a client who left hears nothing
    " abort aborted"
    # Gemini's and Vertex AI's FinishReason, where the answer is not what the model should have said
    " malformed_function_call malformed_response unexpected_tool_call too_many_tool_calls missing_thought_signature"
    " no_image image_other",
    "": "null none false finish_reason_unspecified unspecified not_finished unfinished in_progress",
}
REASONS = {word: reason for reason, words in _WORDS.items() for word in words.split()}
_LIKE = (
    # what a word means that nobody has met; the first row that fits
    ("content_filter", re.compile("filter|safety|prohibit|block|polic|moderat|recitation|guardrail|sensitiv|violat")),
    (
        "error",
        re.compile(
            "error|fail|abort|malform|unexpect|invalid|too_many|time_?out|timed_out|except|crash|unavail|throttl"
            "|rate_limit|quota"
        ),
    ),
    ("cancelled", re.compile("cancel|interrupt")),
    ("length", re.compile("length|max_|limit|truncat|budget")),
    ("tool_calls", re.compile("tool|function")),
    ("stop", re.compile("stop|eos|end_of|_end|complete")),
)


def canonical(raw: object) -> str:
    """Our word for a provider's finish reason, whatever its case; `other` for one that says nothing to us, and empty
    for one that means: not yet. Of `content_filter: PROHIBITED_CONTENT` the detail counts, if it is known."""
    return _canonical(str(raw)[:200])


def known(raw: str) -> str:
    """Our word for one that we have met; empty for all others."""
    return REASONS.get(raw.lower().replace("-", "_"), "")


@lru_cache(256)
def _canonical(raw: str) -> str:
    kind, colon, detail = raw.partition(":")
    if colon and (told := _canonical(detail)) not in ("", "other"):
        return told
    word = re.sub(r"[\s.-]+", "_", kind.strip().lower())
    if not word or word in REASONS:
        return REASONS.get(word, "")
    return next((reason for reason, words in _LIKE if words.search(word)), "other")
