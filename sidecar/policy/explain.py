"""What is done with a request, and why, for people."""

from typing import Any

from sidecar.policy import apis, streams
from sidecar.policy.rules import Decision, Facts
from sidecar.policy.shape import POLICY, show


def explain(decision: Decision, facts: Facts) -> dict[str, Any]:
    """The format that a stream leaves in, the rule and what it says, as plain values."""
    format, why = _format(decision, facts)
    return {
        "format": format,
        "why": why,
        "rule": decision.rule,
        "route": decision.route,
        "upstreams": [upstream.name for upstream in decision.upstreams],
        "request": {"method": facts.method, "path": facts.path, "model": facts.model, "stream": facts.stream},
        "policy": show(decision.policy, POLICY),
    }


def _format(decision: Decision, facts: Facts) -> tuple[str, str]:
    try:
        wished = streams.wish(facts.headers)
        format = streams.choose_format(decision.policy, wished)
    except streams.NotAcceptable as error:
        return "none", f"the client is answered 406: {error}"
    if wished:
        return format, "the client asks for it"
    if format != "auto":
        return format, f"the policy of {decision.rule!r} says so"
    auto, dialect = apis.of_path(facts.path), decision.upstreams[0].dialect
    return (auto.format if dialect in ("auto", "homemade") else auto.of(dialect)), auto.why()
