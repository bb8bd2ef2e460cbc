"""The JSON Schema agrees with the reader, as far as a schema can."""

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from sidecar.policy.document import Document, Invalid
from sidecar.policy.load import load
from sidecar.policy.scalar import Words
from sidecar.policy.schema import schema

STORED = Path(__file__).parents[2] / "sidecar" / "policy" / "config.schema.json"
VALIDATOR = jsonschema.Draft7Validator(schema())
HEAD = "version: 1\nupstreams: { a: { url: http://a } }\n"


def accepts(text: str) -> bool:
    return VALIDATOR.is_valid(Document(text.encode(), "f").data)


def test_the_stored_one_is_in_step() -> None:
    again = "python -m sidecar schema config > sidecar/policy/config.schema.json"
    assert msgspec.json.decode(STORED.read_bytes()) == schema(), f"the structs have changed: {again}"


def test_it_is_a_schema_of_its_draft() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "listen: '[::]:9900'",
        "admin: { listen: a:1 }",
        "admin: a:1",
        "inspect_bytes: 8MiB",
        "inspect_bytes: 4096",
        "defaults: { ping: 10s, open_after: 0, headers: off, allow: [], timeouts: { total: 1.5h } }",
        "defaults: { ping: { interval: 500ms, shape: comment-no-blank } }",
        "rules: [{ name: a, match: { method: [GET], headers: { x: [a, b], y: c }, model: m, stream: true } }]",
        "rules: [{ name: a, match: { path: '**' }, upstreams: [a], policy: { padding: { initial_bytes: 256 } } }]",
    ],
)
def test_both_take_what_is_good(line: str) -> None:
    assert load((HEAD + line).encode(), "f")
    assert accepts(HEAD + line)


def test_both_take_the_app_that_the_middleware_stands_around() -> None:
    text = "version: 1\nupstreams: { a: { url: app://, dialect: homemade } }"
    assert load(text.encode(), "f").upstreams[0].url == "app://"
    assert accepts(text)


BAD = [
    "version: 1",
    "version: 2\nupstreams: { a: { url: http://a } }",
    "upstreams: { a: { url: http://a } }",
    "version: 1\nupstreams: {}",
    "version: 1\nupstreams: { 'a b': { url: http://a } }",
    "version: 1\nupstreams: { a: { dialect: ollama } }",
    "version: 1\nupstreams: { a: { url: a } }",
    "version: 1\nupstreams: { a: { url: http://a/v1 } }",
    "version: 1\nupstreams: { a: { url: app://a } }",
    "version: 1\nupstreams: { a: { url: http://u:p@a } }",
    "version: 1\nupstreams: { a: { url: http://a, dialect: cobol } }",
    "version: 1\nupstreams: { a: { url: http://a, host: a b } }",
    *(
        HEAD + line
        for line in (
            "listn: a:1",
            "listen: 9900",
            "admin: { token: x }",
            "inspect_bytes: 8M",
            "inspect_bytes: -1",
            "defaults:",
            "defaults: { format: envelope }",
            "defaults: { allow: passthrough }",
            "defaults: { headers: true }",
            "defaults: { ping: 10 }",
            "defaults: { ping: { interval: 10 } }",
            "defaults: { ping: { shape: dots } }",
            "defaults: { open_after: 10 }",
            "defaults: { open_after: 010 }",
            "defaults: { timeouts: { idle: 1:30 } }",
            "defaults: { padding: { initial_bytes: 70000 } }",
            "rules: [{ match: {} }]",
            "rules: [{ name: default }]",
            "rules: [{ name: '' }]",
            "rules: [{ name: a, match: { stream: yes } }]",
            "rules: [{ name: a, match: { method: get } }]",
            "rules: [{ name: a, match: { path: v1 } }]",
            "rules: [{ name: a, match: { model: [] } }]",
            "rules: [{ name: a, match: { model: 4 } }]",
            "rules: [{ name: a, match: { headers: { 'x y': a } } }]",
            "rules: [{ name: a, polcy: {} }]",
        )
    ),
]


@pytest.mark.parametrize("text", BAD)
def test_both_refuse_what_is_bad(text: str) -> None:
    with pytest.raises(Invalid):
        load(text.encode(), "f")
    assert not accepts(text)


def test_the_names_of_formats_and_dialects_are_those_of_the_program() -> None:
    made = schema(Words(("auto", "foo"), ("bar",)))
    policy = made["properties"]["defaults"]["properties"]
    assert policy["format"]["enum"] == ["auto", "bar"]
    assert policy["allow"]["items"]["enum"] == policy["rollout"]["properties"]["format"]["enum"] == ["bar"]
    assert made["properties"]["upstreams"]["additionalProperties"]["properties"]["dialect"]["enum"] == ["auto", "foo"]


def test_every_key_says_what_it_means() -> None:
    def silent(node: Any, path: str) -> list[str]:
        properties = node.get("properties", {}) if isinstance(node, dict) else {}
        found = [f"{path}.{name}" for name, each in properties.items() if not each.get("description")]
        below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        return found + [name for each in below for name in silent(each, path)]

    assert silent(schema(), "") == []
