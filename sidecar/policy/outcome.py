"""Every way a stream can end, once. The same word stands in the metric, the span, the log line and the envelope."""

import msgspec

from sidecar.stream import events as ev


class Outcome(msgspec.Struct, frozen=True):
    """`code` is the envelope's, `status` the HTTP status where not started, `sli` good, bad or excluded.

    `message` and `hint` are for failures of our own finding: what happened, and what to look at.
    """

    code: str
    status: int
    recoverable: bool
    sli: str
    message: str = ""
    hint: str = ""


OUTCOMES = {
    "completed": Outcome("", 200, False, "good"),
    "length": Outcome("", 200, False, "good"),
    "token_cap": Outcome("", 200, False, "good"),
    "content_filtered": Outcome("CONTENT_FILTER", 400, False, "excluded"),
    "rejected": Outcome("BAD_REQUEST", 400, False, "excluded"),
    "rate_limited": Outcome("RATE_LIMIT", 429, True, "bad"),
    "upstream_error": Outcome("SERVER", 502, True, "bad"),
    "connect_failed": Outcome(
        "NETWORK",
        502,
        True,
        "bad",
        "the backend cannot be reached",
        "is it running, and is `upstreams.*.url` its address?",
    ),
    "connect_timeout": Outcome(
        "TIMEOUT",
        504,
        True,
        "bad",
        "the backend did not accept a connection in time",
        "is it overloaded? see `timeouts.connect`",
    ),
    "head_timeout": Outcome(
        "TIMEOUT", 504, True, "bad", "the backend did not begin its answer in time", "see `timeouts.head`"
    ),
    "first_token_timeout": Outcome(
        "TIMEOUT",
        504,
        True,
        "bad",
        "no token came in time",
        "is the model still loading or its queue long? see `timeouts.first_token`",
    ),
    "stalled": Outcome("TIMEOUT", 504, True, "bad", "the backend fell silent in mid-answer", "see `timeouts.idle`"),
    "timed_out": Outcome("TIMEOUT", 504, False, "bad", "the answer took too long", "see `timeouts.total`"),
    "truncated": Outcome(
        "NETWORK", 502, True, "bad", "the answer broke off before its end", "did the backend crash or restart?"
    ),
    "malformed": Outcome(
        "PARSE",
        502,
        False,
        "bad",
        "the backend's answer cannot be understood",
        "does `dialect` fit? record it and run `sidecar decode`",
    ),
    "schema_violation": Outcome("VALIDATION", 502, False, "bad"),
    "loop_aborted": Outcome("VALIDATION", 502, False, "bad"),
    "circuit_open": Outcome("OVERLOADED", 503, True, "bad"),
    "drained": Outcome("DRAINING", 503, True, "bad"),
    "stopped": Outcome("CANCELLED", 499, False, "excluded"),
    "client_left": Outcome("", 499, False, "excluded"),
    "slow_client": Outcome("", 499, False, "excluded"),
    "sidecar_error": Outcome(
        "SERVER", 500, False, "bad", "the sidecar failed", "please report it with the log line of this stream"
    ),
}


def of_finish(reason: str) -> str:
    """The outcome of a whole stream whose choice 0 finished with this canonical reason."""
    return {"length": "length", "content_filter": "content_filtered", "error": "upstream_error"}.get(
        reason, "completed"
    )


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
