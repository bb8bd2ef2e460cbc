"""What an upstream says of its connection fits together, or is told where it does not."""

import pytest

from sidecar.policy.config import Tls
from sidecar.policy.document import Invalid
from sidecar.policy.load import load


def upstream(keys: str) -> bytes:
    return b"version: 1\nupstreams:\n  backend: { %s }\n" % keys.encode()


def test_an_https_backend_with_its_own_authorities() -> None:
    keys = "url: https://llm.example, tls: { ca: /ca.pem, cert: /c.pem, server_name: llm }"
    (read,) = load(upstream(keys), "f").upstreams
    assert read.tls == Tls(ca="/ca.pem", cert="/c.pem", server_name="llm")


def test_a_unix_socket() -> None:
    (read,) = load(upstream("url: unix:///run/llm.sock"), "f").upstreams
    assert read.url == "unix:///run/llm.sock"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("url: http://h, tls: { ca: /ca.pem }", "tls: http://h is not https"),
        ("url: http://h, tls: { verify: off }", "tls: http://h is not https"),
        ("url: unix:///s, transport: httpx2", "need the lean transport"),
        ("url: https://h, tls: { ca: /c }, transport: httpx2", "need the lean transport"),
        ("url: unix://relative", "is not a URL"),
    ],
)
def test_what_does_not_fit_is_told(keys: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        load(upstream(keys), "f")
    assert said in "\n".join(map(str, refused.value.problems))
