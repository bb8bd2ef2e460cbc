"""What went wrong, out of the shapes in which backends say it: an object, an object in an object, or a string."""

import re
from typing import Any

import msgspec

from sidecar.stream import names
from sidecar.stream.events import Error

_KINDS = (
    # outcome, code, HTTP statuses, words of `type`, `code` and `message` that show it; the first row that fits
    ("content_filtered", "", (), r"content_?(filter|policy|management)|guardrail|safety|inspectionfailed"),
    ("rejected", "TOKEN_LIMIT", (413,), r"context.?(length|size|window)|exceed_context|prompt is too long|error_limit"),
    ("rate_limited", "", (429,), r"rate.?limit|too.?many.?requests|resource.?exhausted|throttl|quota"),
    ("upstream_error", "OVERLOADED", (503, 529), r"overloaded|unavailable|no capacity"),
    ("rejected", "AUTH", (401, 403), r"authenticat|unauthori[sz]ed|permission|forbidden|\bapi.?key\b"),
    ("upstream_error", "", tuple(range(500, 600)), r"server.?error|internal|timeout"),
    ("rejected", "", tuple(range(400, 500)), r"invalid|bad.?request|not.?found|unsupported|validation|too.?large"),
)
_ERRORS = (
    "error",
    "errors",
    "last_error",
    "error_msg",
    "error_message",
    "error_information",
    "error_info",
    "err_msg",
    "errmsg",
)
_MESSAGES = ("message", "msg", "status_msg", "detail", "err_msg", "errmsg")
_STATUSES = {"RESOURCE_EXHAUSTED": 429, "UNAVAILABLE": 503, "INTERNAL": 500, "INVALID_ARGUMENT": 400, "NOT_FOUND": 404}


def told(said: Any) -> bool:
    """Whether an `error` field says one: servers whose errors are structs send an empty one in each frame."""
    if isinstance(said, dict):
        return any(told(value) for value in said.values())
    return any(map(told, said)) if isinstance(said, list) else bool(said)


def read(said: Any, http_status: int = 0) -> Error:
    """The `Error` that a decoded error body or frame says; any shape is read, the unknown as `upstream_error`."""
    inner = _inner(said)
    if not isinstance(inner, dict):
        return _classify(str(inner) if inner else "the backend reported an error without a message", "", http_status)
    message = _text(inner, *_MESSAGES, "Message", "errorText", "error_message", "reason", "text", "description")
    named = (_text(inner, key) for key in ("type", "error_type", "code", "status", "__type"))
    kind = next((name for name in named if name and name != "error" and not name.isdigit()), "")
    words = " ".join(_text(inner, key) for key in ("type", "code", "status", "error_type"))
    status = http_status or _status(inner)
    error = _classify(message or kind or "the backend reported an error", f"{words} {message}", status)
    retry_after = inner.get("retry_after")
    return Error(
        error.outcome,
        error.message,
        error.code,
        kind,
        status,
        float(retry_after) if isinstance(retry_after, int | float) and retry_after >= 0 else None,
    )


def read_body(body: bytes, http_status: int, retry_after: str = "") -> Error:
    """The `Error` of an HTTP error's body, JSON or text; `retry_after` is the header's value, in seconds."""
    try:
        said = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        said = body[:500].decode("utf-8", "replace").strip()
    error = read(said or f"the backend answered {http_status}", http_status)
    seconds = float(retry_after) if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", retry_after.strip()) else error.retry_after
    return msgspec.structs.replace(error, retry_after=seconds)


def find(said: dict[str, Any], words: str, failed: bool) -> Error | None:
    """The `Error` in JSON of any shape, keys in snake_case: what is called so, or a code that is not that of success.

    `words` is the text that it says, and `failed` whether it says that it is an error itself.
    """
    for layer in names.layers(said, 3):
        for key in _ERRORS:
            inside = layer.get(key)
            if told(inside):
                rest = {name: value for name, value in layer.items() if name != "error"}
                word = inside if isinstance(inside, str) else ""
                text = _text(layer, "message", "msg", "detail")
                kind = {"type": word} if text and word else {}
                flat = rest | kind | {"message": text or word, "code": _code(layer)}
                return read(inside if isinstance(inside, dict | list) else flat)
    if isinstance(said.get("detail"), str | list) and len(said) == 1:  # FastAPI
        return read({"message": _text(said, "detail") or str(said["detail"])})
    if failed:
        return read(said["data"] if said.get("data") else {"message": words, **said})
    for part in (said, said.get("base_resp"), said.get("header")):
        if isinstance(part, dict) and _refused(part) and (not words or _told(part) in words):
            return read({**part, "code": _code(part), "message": _told(part)})
    return None


def _refused(said: dict[str, Any]) -> bool:
    good = _code(said) in (0, "0", 200, "200", None, "", "ok", "OK", "success") and said.get("success") is not False
    return not good and bool(_told(said))


def _code(said: dict[str, Any]) -> Any:
    return next((said[key] for key in names.CODES if key in said), 0)


def _told(said: dict[str, Any]) -> str:
    return _text(said, *_MESSAGES)


def _inner(said: Any) -> Any:
    for _ in range(3):
        if isinstance(said, list) and said:
            said = said[0]
        elif isinstance(said, dict) and isinstance(said.get("errors"), list) and said["errors"]:
            said = said["errors"][0]
        elif isinstance(said, dict) and isinstance(said.get("error"), str) and said["error"]:
            return _flat(said)
        elif isinstance(said, dict) and isinstance(said.get("error"), dict) and said["error"]:
            said = said["error"]
        else:
            break
    return said


def _flat(said: dict[str, Any]) -> dict[str, Any]:
    """Of an error that is a word or a sentence: the sentence, and what stands beside it."""
    told = _text(said, "message", "error_description", "detail")
    kind = said.get("error_type") or (said["error"] if told else "")
    return {"type": kind, "code": said.get("code"), "message": told or said["error"]}


def _text(said: dict[str, Any], *keys: str) -> str:
    for key in keys:
        value = said.get(key)
        if isinstance(value, str | int) and value != "" and not isinstance(value, bool):
            return str(value)
    return ""


def _status(said: dict[str, Any]) -> int:
    for key in ("code", "status", "status_code", "http_status"):
        value = said.get(key)
        if isinstance(value, str):
            value = _STATUSES.get(value, int(value) if re.fullmatch(r"[45]\d\d", value) else 0)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return 0


def _classify(message: str, words: str, status: int) -> Error:
    words = words or message
    for outcome, code, statuses, pattern in _KINDS:
        if status in statuses or (status < 500 and re.search(pattern, words, re.IGNORECASE)):
            return Error(outcome, message, code, status=status)
    return Error("upstream_error", message, status=status)
