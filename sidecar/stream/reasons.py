"""Why a choice finished: what the providers call it, and our word (`events.FINISH_REASONS`)."""

_WORDS = {
    "stop": "stop end_turn stop_sequence eos eos_token complete completed done finished load unload success stop_token"
    " normal end finish endoftext end_of_text",
    "length": "length limit max_tokens max_token model_length max_output_tokens incomplete"
    " maximum_tokens max_new_tokens max_length token_limit"
    " model_context_window_exceeded",
    "tool_calls": "tool_calls tool_call tool_use function_call requires_action",
    "content_filter": "content_filter content_filtered guardrail_intervened safety recitation prohibited_content"
    " blocklist spii language image_safety sensitive error_toxic",
    "refusal": "refusal",
    "pause": "pause pause_turn",
    "cancelled": "cancelled canceled abort aborted user_cancelled",
    "error": "error error_limit insufficient_system_resource malformed_function_call failed network_error",
}
REASONS = {word: reason for reason, words in _WORDS.items() for word in words.split()}


def canonical(raw: object) -> str:
    """Our word for a provider's finish reason, whatever its case; `other` for one we have never met."""
    return REASONS.get(str(raw).lower().replace("-", "_"), "other")
