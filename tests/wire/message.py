"""HTTP/1.1 by hand: the bytes of requests and answers, and what such bytes say."""

from typing import NamedTuple

END = b"0\r\n\r\n"
"""The end of a chunked body."""


class Message(NamedTuple):
    """A request or an answer as it stood on the wire. `first` are the three words of its first line; names are
    lower-case. `whole` is False where the body broke off before its own end."""

    first: tuple[bytes, bytes, bytes]
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    whole: bool = True

    @property
    def status(self) -> int:
        return int(self.first[1])

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key == name.encode()]

    def get(self, name: str) -> str:
        return ", ".join(self.all(name))


def parse_head(raw: bytes) -> Message:
    lines = raw.split(b"\r\n")
    one, two, three = (lines[0] + b"  ").split(b" ", 2)
    pairs = [line.split(b":", 1) for line in lines[1:] if line]
    return Message((one, two, three.rstrip()), [(name.lower(), value.strip()) for name, value in pairs])


def parse_answer(raw: bytes, method: str = "GET", ended: str = "") -> tuple[Message, bytes] | None:
    """The first answer in these bytes, 1xx skipped, and what follows it; None where it is not all there.

    `ended` says that no more will come: "closed" or "reset".
    """
    first, found, rest = raw.partition(b"\r\n\r\n")
    if not found:
        return None
    message = parse_head(first)
    if message.status < 200:
        return parse_answer(rest, method, ended)
    if method == "HEAD" or message.status in (204, 304):
        return message, rest
    if message.get("transfer-encoding"):
        body, after = dechunk(rest)
        if after is not None or ended:
            return message._replace(body=body, whole=after is not None), after or b""
    elif message.get("content-length"):
        length = int(message.get("content-length"))
        if len(rest) >= length or ended:
            return message._replace(body=rest[:length], whole=len(rest) >= length), rest[length:]
    elif ended:
        return message._replace(body=rest, whole=ended == "closed"), b""
    return None


def dechunk(raw: bytes) -> tuple[bytes, bytes | None]:
    """The data of a chunked body, and what follows its end: None where the end is not there."""
    parts: list[bytes] = []
    at = 0
    while (line := raw.find(b"\r\n", at)) >= 0:
        size = int(raw[at:line], 16)
        if not size:
            end = raw.find(b"\r\n\r\n", line)
            return b"".join(parts), raw[end + 4 :] if end >= 0 else None
        if len(raw) < line + size + 4:
            break
        parts.append(raw[line + 2 : line + 2 + size])
        at = line + size + 4
    return b"".join(parts), None


def request(
    method: str = "POST", target: str = "/", *lines: str, body: bytes | None = None, version: str = "1.1"
) -> bytes:
    """A request; Host and, for a body, Content-Length are added."""
    length = [] if body is None else [f"Content-Length: {len(body)}"]
    first = f"{method} {target} HTTP/{version}"
    return "\r\n".join([first, "Host: example.test", *lines, *length, "", ""]).encode("latin-1") + (body or b"")


def head(status: int, *lines: str) -> bytes:
    """The head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def answer(body: bytes, kind: str = "application/json", *lines: str, status: int = 200) -> bytes:
    """A whole answer."""
    return head(status, f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines) + body
