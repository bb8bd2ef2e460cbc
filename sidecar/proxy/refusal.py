"""What a client is told whose request never reaches the app."""

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

_WORDS = {408: ("timeout_error", "TIMEOUT"), 500: ("api_error", "SERVER"), 503: ("api_error", "OVERLOADED")}
_HEAD = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"


class Refusal(Exception):
    """The request gets this status, and its connection ends. Neither `message` nor `hint` holds the client's words."""

    def __init__(self, status: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint

    def response(self) -> bytes:
        """The whole answer, as the bytes of the wire; its body is that of every error of ours."""
        type, code = _WORDS.get(self.status, ("invalid_request_error", "BAD_REQUEST"))
        error = {
            "type": type,
            "message": self.message,
            "code": code,
            "upstream": "",
            "outcome": "sidecar_error" if self.status == 500 else "rejected",
            "hint": self.hint,
        }
        body = msgspec.json.encode({"type": "error", "error": error})
        return STATUS_LINE[self.status] + _HEAD % len(body) + body
