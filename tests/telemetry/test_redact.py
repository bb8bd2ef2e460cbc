"""A configuration without its secrets."""

import msgspec

from sidecar.telemetry.redact import redacted


class Up(msgspec.Struct):
    url: str
    api_key: str = ""


def test_secrets_are_hidden_wherever_they_stand() -> None:
    shown = redacted(
        {
            "upstreams": [Up("https://me:pw@h.example:8443/base?key=abc#frag", "sk-1")],
            "admin": {"listen": "0.0.0.0:9901", "token": "t0p"},
            "rules": [{"match": {"headers": {"Authorization": ["Bearer sk-2"], "X-Api-Key": "sk-3", "accept": "*"}}}],
            "apikey": "sk-4",
            "client_secret": "sk-5",
        }
    )
    assert shown == {
        "upstreams": [{"url": "https://h.example:8443/base", "api_key": "***"}],
        "admin": {"listen": "0.0.0.0:9901", "token": "***"},
        "rules": [{"match": {"headers": {"Authorization": ["***"], "X-Api-Key": "***", "accept": "*"}}}],
        "apikey": "***",
        "client_secret": "***",
    }


def test_what_is_no_secret_stays() -> None:
    plain = {"max_tokens": 5, "listen": "0.0.0.0:9900", "token": "", "interval": 15.0, "allow": ["envelope-v1"]}
    assert redacted(plain) == plain


def test_a_url_that_cannot_be_read_is_hidden() -> None:
    assert redacted({"url": "http://[broken"}) == {"url": "***"}
