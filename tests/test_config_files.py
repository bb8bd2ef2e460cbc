"""The files that are shipped: good, described by the schema, and the built-in one does what it says."""

from pathlib import Path

import jsonschema
import msgspec
import pytest

from sidecar.policy.document import Document
from sidecar.policy.load import load
from sidecar.policy.rules import Decision, Facts, Rules
from sidecar.policy.schema import schema
from sidecar.policy.shape import CONFIG, show
from sidecar.proxy.reload import Source

ROOT = Path(__file__).parents[1]
DEFAULT = ROOT / "config" / "sidecar.yaml"
FILES = sorted((ROOT / "config").rglob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_loads_and_the_schema_takes_it(file: Path) -> None:
    assert load(file.read_bytes(), file.name).upstreams
    jsonschema.Draft7Validator(schema()).validate(Document(file.read_bytes(), file.name).data)


def test_there_are_examples() -> None:
    assert DEFAULT in FILES
    assert len(FILES) >= 5


def test_the_documented_default_is_the_built_in_one() -> None:
    assert Source().read() == DEFAULT.read_bytes()


def test_the_default_writes_out_every_default() -> None:
    config = load(DEFAULT.read_bytes(), "default")
    bare = load(b"version: 1\nupstreams: { backend: { url: http://127.0.0.1:8000 } }", "bare")
    assert msgspec.structs.replace(config, rules=()) == bare
    written, whole = Document(DEFAULT.read_bytes(), "default").data, show(bare, CONFIG)
    for place in ("defaults", "upstreams"):
        assert written[place].keys() == whole[place].keys()
    assert written["upstreams"]["backend"].keys() == whole["upstreams"]["backend"].keys()


def decision(user_agent: str, *headers: tuple[bytes, bytes]) -> Decision:
    rules = Rules(load(DEFAULT.read_bytes(), "default"))
    return rules.resolve(Facts("POST", "/v1/x", [(b"user-agent", user_agent.encode()), *headers], "m", True))


@pytest.mark.parametrize(
    "user_agent",
    [
        "OpenAI/Python 3.54.0",
        "AsyncOpenAI/Python 3.54.0",
        "AzureOpenAI/Python 3.54.0",
        "OpenAI/JS 6.49.0",
        "OpenAI/Go 3.43.0",
        "Anthropic/Python 2.12.0",
        "AsyncAnthropic/Python 2.12.0",
        "ai/6.0.0 ai-sdk/openai/3.0.141 ai-sdk/provider-utils/4.0.14 runtime/node.js/22",
        "ai-sdk/openai-compatible/1.0",
        "ollama-python/0.6.3 (x86_64 linux) Python/3.11.7",
        "ollama-js/0.6.4 (x64 linux Node.js/v22)",
        "google-genai-sdk/3.4.0 gl-python/3.11.7",
        "my-app google-genai-sdk/2.32.0",
        "mistral-client-python/3.7.0",
        "litellm/1.109.1",
    ],
)
def test_sdk_clients_keep_their_own_format(user_agent: str) -> None:
    assert decision(user_agent).policy.format == "passthrough"


def test_sdk_clients_with_a_user_agent_of_their_own_are_known_by_their_header() -> None:
    assert decision("my app", (b"x-stainless-lang", b"python")).policy.format == "passthrough"


@pytest.mark.parametrize(
    "user_agent",
    [
        "curl/8.0",
        "python-httpx/0.28",
        "Mozilla/5.0 (Macintosh) Safari/605",
        "",
        "node",
        "okhttp/4.12",
        "Go-http-client/1.1",
    ],
)
def test_everybody_else_gets_the_envelope(user_agent: str) -> None:
    decided = decision(user_agent)
    assert (decided.rule, decided.policy.format, decided.policy.padding.initial_bytes) == ("default", "envelope-v1", 0)


@pytest.mark.parametrize("device", ["iPhone; CPU iPhone OS 19_0", "iPad; CPU OS 19_0"])
def test_mobile_safari_gets_padding(device: str) -> None:
    policy = decision(f"Mozilla/5.0 ({device} like Mac OS X) AppleWebKit/605 Mobile/15E148 Safari/604.1").policy
    assert (policy.format, policy.padding.initial_bytes) == ("envelope-v1", 256)
