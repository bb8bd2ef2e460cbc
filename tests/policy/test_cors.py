"""What browsers may do, by the headers that they read."""

from sidecar.policy import cors
from sidecar.policy.config import Cors

APP = "https://app.example.com"
NAMED = Cors(origins=(APP,), credentials="on", headers=("x-a", "authorization"), max_age=60.0)


def test_without_origins_the_backend_decides() -> None:
    assert cors.answer(Cors(), APP) == []


def test_a_request_without_an_origin_is_not_a_browsers() -> None:
    assert cors.answer(NAMED, "") == []


def test_a_named_origin_may_read_and_send_cookies() -> None:
    said = dict(cors.answer(NAMED, APP))
    assert said[b"access-control-allow-origin"] == APP.encode()
    assert said[b"access-control-allow-credentials"] == b"true"
    assert said[b"vary"] == b"Origin"
    assert b"X-Stream-Id" in said[b"access-control-expose-headers"]


def test_another_origin_gets_nothing_but_a_cache_key() -> None:
    assert cors.answer(NAMED, "https://evil.example") == [(b"vary", b"Origin")]


def test_everyone_is_a_star_and_never_has_cookies() -> None:
    said = dict(cors.answer(Cors(origins=("*",)), APP))
    assert said[b"access-control-allow-origin"] == b"*"
    assert b"access-control-allow-credentials" not in said


def test_a_preflight_says_what_may_be_sent_and_for_how_long() -> None:
    said = dict(cors.preflight(NAMED, APP, "POST"))
    assert said[b"access-control-allow-methods"] == b"POST"
    assert said[b"access-control-allow-headers"] == b"x-a, authorization"
    assert said[b"access-control-max-age"] == b"60"


def test_a_preflight_of_another_origin_allows_nothing() -> None:
    assert not any(name.startswith(b"access-control-") for name, _ in cors.preflight(NAMED, "https://x.example", "PUT"))
