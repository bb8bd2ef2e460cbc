"""Which format `auto` is, by the path that is asked and by what the answer turns out to be."""

import pytest

from sidecar.policy.apis import of_path

KNOWN = [
    *("/v1/chat/completions", "/chat/completions/", "/openai/deployments/d/chat/completions", "/v1/completions"),
    *("/v1/responses", "/v1/messages", "/anthropic/v1/messages", "/api/chat", "/api/generate", "/v2/chat"),
    *(
        "/v1beta/models/m:streamGenerateContent",
        "/v1/projects/p/publishers/google/models/m:generateContent",
    ),
    *("/model/m/converse-stream", "/model/m/invoke-with-response-stream", "/generate_stream", "/v1/chat-messages"),
    *("/api/pull", "/api/push", "/api/create", "/v1/responses/resp_1", "/v1/images/generations", "/v1/audio/speech"),
    *("/v1/complete", "/v1/sessions/s/events/stream", "/v1/sessions/s/threads/t/stream"),
    *("/gradio_api/queue/data", "/gradio_api/call/predict/e"),
    *("/api/extra/generate/stream", "/api/v1/services/aigc/text-generation/generation", "/v1/audio/transcriptions"),
]
SHARED = [
    ("/generate", "sglang"),
    ("/completion", "llamacpp"),
    ("/api/v1/apps/a/completion", "dashscope"),
    ("/infill", "llamacpp"),
    ("/v1/chat", "cohere"),
    ("/api/v1/chat", "lmstudio"),
    ("/v1/threads/t/runs", "openai-assistants"),
]
UNKNOWN = ["/", "/ask", "/chat", "/stream", "/v1/x", "/api/ask", "/messages", "/v1/chat/completions/x", "/completions2"]
UNKNOWN += ["/responses/a/b", "/gradio_api/call/e", "/v1/sessions/s/stream", "/pull"]


@pytest.mark.parametrize("path", KNOWN)
def test_the_path_of_a_known_api_keeps_its_format(path: str) -> None:
    auto = of_path(path)
    assert auto.format == auto.of("auto") if not auto.writable else auto.format == "passthrough"
    assert all(auto.of(api) == "passthrough" for api in auto.apis) and not auto.shared


@pytest.mark.parametrize(("path", "api"), SHARED)
def test_a_path_that_others_have_too_is_known_by_its_answer(path: str, api: str) -> None:
    auto = of_path(path)
    assert auto.open and auto.format == auto.of("homemade") == auto.of("openai-chat") == "envelope-v1"
    assert auto.of(api) == "passthrough"


@pytest.mark.parametrize("path", UNKNOWN)
def test_every_other_path_gets_the_envelope(path: str) -> None:
    auto = of_path(path)
    assert not auto.open and auto.format == auto.of("openai-chat") == "envelope-v1"


@pytest.mark.parametrize("dialect", ["anthropic", "ollama", "homemade", "text", "gemini"])
def test_only_chunks_can_be_made_of_another_dialect(dialect: str) -> None:
    assert of_path("/v1/chat/completions").of(dialect) == "openai"
    for path in ("/v1/completions", "/v1/messages", "/api/chat", "/v1/responses"):
        assert not of_path(path).open and of_path(path).of(dialect) == "passthrough"
