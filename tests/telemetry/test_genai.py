"""Names in the GenAI conventions' own words."""

import pytest

from sidecar.telemetry import genai


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/v1/chat/completions", "chat"),
        ("/v1/messages", "chat"),
        ("/v1/responses", "chat"),
        ("/api/chat", "chat"),
        ("/model/x/converse-stream", "chat"),
        ("/v1/completions", "text_completion"),
        ("/api/generate", "text_completion"),
        ("/generate_stream", "text_completion"),
        ("/v1beta/models/g:streamGenerateContent", "generate_content"),
        ("/v1/embeddings", "embeddings"),
    ],
)
def test_operation_by_path(path: str, operation: str) -> None:
    assert genai.operation(path) == operation


@pytest.mark.parametrize(
    ("url", "dialect", "provider"),
    [
        ("https://api.openai.com/v1", "openai-chat", "openai"),
        ("https://me.openai.azure.com", "openai-chat", "azure.ai.openai"),
        ("https://api.groq.com", "openai-chat", "groq"),
        ("https://evilopenai.com", "anthropic", "anthropic"),
        ("http://127.0.0.1:8000", "openai-chat", "openai"),
        ("http://127.0.0.1:11434", "ollama", "ollama"),
        ("https://europe-west1-aiplatform.googleapis.com", "gemini", "gcp.vertex_ai"),
        ("https://generativelanguage.googleapis.com", "gemini", "gcp.gemini"),
        ("http://backend", "", "auto"),
    ],
)
def test_provider_by_host_then_dialect(url: str, dialect: str, provider: str) -> None:
    assert genai.provider(url, dialect) == provider


def test_address_has_the_schemes_port() -> None:
    assert genai.address("https://u:p@h.example/x") == ("h.example", 443)
    assert genai.address("http://[::1]:8000") == ("::1", 8000)
    assert genai.address("app://") == ("", 0)
