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


def decision(user_agent: str) -> Decision:
    rules = Rules(load(DEFAULT.read_bytes(), "default"))
    return rules.resolve(Facts("POST", "/v1/x", [(b"user-agent", user_agent.encode())], "m", True))


@pytest.mark.parametrize("user_agent", ["OpenAI/Python 3.54.0", "ollama-python/0.6.3", "curl/8.0", "node", ""])
def test_the_path_decides_and_no_list_of_clients(user_agent: str) -> None:
    decided = decision(user_agent)
    assert (decided.rule, decided.policy.format, decided.policy.padding.initial_bytes) == ("default", "auto", 0)


@pytest.mark.parametrize("device", ["iPhone; CPU iPhone OS 19_0", "iPad; CPU OS 19_0"])
def test_mobile_safari_gets_padding(device: str) -> None:
    policy = decision(f"Mozilla/5.0 ({device} like Mac OS X) AppleWebKit/605 Mobile/15E148 Safari/604.1").policy
    assert (policy.format, policy.padding.initial_bytes) == ("auto", 256)
