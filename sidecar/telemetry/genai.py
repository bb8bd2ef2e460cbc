"""What a request is called in the GenAI conventions: the operation by its path, the provider by host or dialect."""

from functools import lru_cache
from urllib.parse import urlsplit

OPERATIONS = (
    ("/chat/completions", "chat"),
    ("/completions", "text_completion"),
    ("/completion", "text_completion"),
    ("/api/generate", "text_completion"),
    ("/generate", "text_completion"),
    ("/generate_stream", "text_completion"),
    ("/embeddings", "embeddings"),
    ("/api/embed", "embeddings"),
    (":embedContent", "embeddings"),
    (":generateContent", "generate_content"),
    (":streamGenerateContent", "generate_content"),
)

HOSTS = (
    (".openai.azure.com", "azure.ai.openai"),
    (".openai.com", "openai"),
    (".anthropic.com", "anthropic"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    (".googleapis.com", "gcp.gemini"),
    (".amazonaws.com", "aws.bedrock"),
    (".mistral.ai", "mistral_ai"),
    (".groq.com", "groq"),
    (".deepseek.com", "deepseek"),
    (".x.ai", "x_ai"),
    (".perplexity.ai", "perplexity"),
    (".cohere.com", "cohere"),
    (".moonshot.ai", "moonshot_ai"),
)

DIALECTS = {
    "openai-chat": "openai",
    "openai-responses": "openai",
    "openai-completions": "openai",
    "gemini": "gcp.gemini",
    "bedrock": "aws.bedrock",
    "bedrock-converse": "aws.bedrock",
}


def operation(path: str) -> str:
    """`gen_ai.operation.name` of a request path."""
    for tail, name in OPERATIONS:
        if path.endswith(tail):
            return name
    return "chat"


@lru_cache(256)
def provider(url: str, dialect: str) -> str:
    """`gen_ai.provider.name`: the telemetry's dialect, not who hosts the model."""
    host = "." + (urlsplit(url).hostname or "")
    known = next((name for tail, name in HOSTS if host.endswith(tail)), "")
    return known or DIALECTS.get(dialect, dialect) or "auto"


@lru_cache(256)
def address(url: str) -> tuple[str, int]:
    """`server.address` and `server.port` of a backend's url; empty and 0 where it has none."""
    parts = urlsplit(url)
    port = {"http": 80, "https": 443}.get(parts.scheme, 0)
    return parts.hostname or "", parts.port or port
