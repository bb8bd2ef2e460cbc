"""Every way a stream can end, once. The same word stands in the metric, the span, the log line and the envelope."""

import msgspec

from sidecar.stream import events as ev


class Outcome(msgspec.Struct, frozen=True):
    """`code` is the envelope's, `status` the HTTP status where not started (0: the backend's), `sli` good, bad or excluded."""

    code: str
    status: int
    recoverable: bool
    sli: str


OUTCOMES = {
    "completed": Outcome("", 200, False, "good"),
    "length": Outcome("", 200, False, "good"),
    "token_cap": Outcome("", 200, False, "good"),
    "content_filtered": Outcome("CONTENT_FILTER", 400, False, "excluded"),
    "rejected": Outcome("BAD_REQUEST", 400, False, "excluded"),
    "rate_limited": Outcome("RATE_LIMIT", 429, True, "bad"),
    "upstream_error": Outcome("SERVER", 502, True, "bad"),
    "connect_failed": Outcome("NETWORK", 502, True, "bad"),
    "connect_timeout": Outcome("TIMEOUT", 504, True, "bad"),
    "head_timeout": Outcome("TIMEOUT", 504, True, "bad"),
    "first_token_timeout": Outcome("TIMEOUT", 504, True, "bad"),
    "stalled": Outcome("TIMEOUT", 504, True, "bad"),
    "timed_out": Outcome("TIMEOUT", 504, False, "bad"),
    "truncated": Outcome("NETWORK", 502, True, "bad"),
    "malformed": Outcome("PARSE", 502, False, "bad"),
    "schema_violation": Outcome("VALIDATION", 502, False, "bad"),
    "loop_aborted": Outcome("VALIDATION", 502, False, "bad"),
    "circuit_open": Outcome("OVERLOADED", 503, True, "bad"),
    "drained": Outcome("DRAINING", 503, True, "bad"),
    "stopped": Outcome("CANCELLED", 499, False, "excluded"),
    "client_left": Outcome("", 499, False, "excluded"),
    "slow_client": Outcome("", 499, False, "excluded"),
    "sidecar_error": Outcome("SERVER", 500, False, "bad"),
}


def of_finish(reason: str) -> str:
    """The outcome of a whole stream whose choice 0 finished with this canonical reason."""
    return {"length": "length", "content_filter": "content_filtered"}.get(reason, "completed")


def of_status(status: int) -> str:
    """The outcome of a stream request that the backend answered with this HTTP error."""
    if status == 429:
        return "rate_limited"
    return "rejected" if 400 <= status < 500 else "upstream_error"


def complete(error: ev.Error) -> ev.Error:
    """The same error with `code` and `recoverable` filled in from the table."""
    row = OUTCOMES[error.outcome]
    recoverable = row.recoverable if error.recoverable is None else error.recoverable
    return msgspec.structs.replace(error, code=error.code or row.code, recoverable=recoverable)
