"""Values are shown as a file that means the same."""

import msgspec
import pytest
import yaml

from sidecar.policy.load import load
from sidecar.policy.shape import CONFIG, show

FULL = b"""
version: 1
listen: 127.0.0.1:1
admin: 127.0.0.1:2
inspect_bytes: 64KiB
upstreams: { a: { url: http://a:1, dialect: ollama, host: preserve }, b: { url: https://b } }
defaults: { open_after: 500ms, ping: 90s, padding: 1KiB }
rules:
  - name: all of it
    match: { method: POST, path: /v1/**, headers: { x: ["*a*", b] }, model: "o[13]*", stream: false }
    upstreams: [b, a]
    policy: { allow: [], stream: on, open_after: 0, timeouts: { total: 1h, idle: 1.5s } }
""".replace(b"padding: 1KiB", b"padding: { initial_bytes: 1KiB, content: random }")


@pytest.mark.parametrize("text", [FULL, b"version: 1\nupstreams: { a: { url: http://a } }"])
def test_what_is_shown_reads_back_to_the_same(text: bytes) -> None:
    config = load(text, "f")
    shown = show(config, CONFIG)
    assert load(yaml.safe_dump(shown).encode(), "shown") == config
    assert load(msgspec.json.encode(shown), "shown.json") == config
