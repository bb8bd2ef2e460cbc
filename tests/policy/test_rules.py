"""The first rule that matches decides."""

import time

import pytest

from sidecar.policy.load import load
from sidecar.policy.rules import Facts, Rules

FILE = b"""
version: 1
upstreams:
  first: { url: http://a }
  second: { url: http://b }
defaults: { ping: { shape: event }, timeouts: { idle: 7s } }
rules:
  - name: header
    match: { headers: { X-Team: "*", user-agent: ["*iPhone*", "curl/*"] } }
  - name: path
    match: { path: /v1/*/completions, method: [POST, PUT] }
    upstreams: [second, first]
    policy: { format: passthrough, ping: { interval: 5s } }
  - name: model
    match: { model: ["o[134]*", gpt-5], stream: true }
  - name: not a stream
    match: { stream: false, path: /** }
"""
RULES = Rules(load(FILE, "test.yaml"))
PHONE = [(b"x-team", b""), (b"user-agent", b"Mozilla (IPHONE)")]


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (Facts("GET", "/", PHONE), "header"),
        (Facts("GET", "/", [(b"x-team", b"1"), (b"user-agent", b"x"), (b"user-agent", b"CURL/8")]), "header"),
        (Facts("GET", "/", PHONE[:1], "m", True), "default"),
        (Facts("GET", "/", PHONE[1:], "m", True), "default"),
        (Facts("GET", "/", [(b"x-team", b"1"), (b"user-agent", b"\xff curl/8")], "m", True), "default"),
        (Facts("POST", "/v1/chat/completions", stream=True), "path"),
        (Facts("GET", "/v1/chat/completions", stream=True), "default"),
        (Facts("POST", "/v1/a/b/completions", stream=True), "default"),
        (Facts("POST", "/", model="o3-mini", stream=True), "model"),
        (Facts("POST", "/", model="O3-mini", stream=True), "default"),
        (Facts("POST", "/", model="gpt-5", stream=False), "not a stream"),
        (Facts("POST", "/", stream=True), "default"),
    ],
)
def test_every_condition_must_hold(facts: Facts, rule: str) -> None:
    assert RULES.resolve(facts).rule == rule


def test_a_decision_has_the_route_the_upstreams_and_the_policy_over_the_defaults() -> None:
    decision = RULES.resolve(Facts("POST", "/v1/chat/completions"))
    assert decision.route == "/v1/*/completions"
    assert [upstream.name for upstream in decision.upstreams] == ["second", "first"]
    assert decision.policy.format == "passthrough"
    assert (decision.policy.ping.interval, decision.policy.ping.shape) == (5, "event")
    assert (decision.policy.timeouts.idle, decision.policy.timeouts.first_token) == (7, 300)


def test_without_a_rule_the_defaults_and_the_first_upstream_hold() -> None:
    decision = RULES.resolve(Facts("GET", "/", stream=True))
    assert (decision.rule, decision.route, decision.upstreams[0].name) == ("default", "", "first")
    assert (decision.policy.format, decision.policy.ping.shape) == ("auto", "event")


def test_a_rule_without_upstreams_has_the_first_of_the_file() -> None:
    assert [u.name for u in RULES.resolve(Facts("GET", "/", PHONE)).upstreams] == ["first"]


def test_any_model_is_a_known_model() -> None:
    rules = Rules(load(FILE.split(b"rules:")[0] + b'rules: [{ name: x, match: { model: "*" } }]', "test.yaml"))
    assert [rules.resolve(Facts("GET", "/", model=model)).rule for model in ("", "m")] == ["default", "x"]


def test_resolving_is_a_matter_of_microseconds() -> None:
    names = [b"x-%d" % number for number in range(15)]
    facts = Facts("POST", "/v1/other", [*((name, b"v") for name in names), *PHONE[1:]], "gpt-4o", True)
    began = time.perf_counter()
    for _ in range(1_000):
        RULES.resolve(facts)
    assert time.perf_counter() - began < 0.2
