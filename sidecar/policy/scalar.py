"""The kinds of scalars: how each is written, what it becomes, how it is shown again, its JSON Schema.

A kind's `read` takes a value of the file and returns ours, or raises ValueError with what to write instead.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sidecar.policy import glob
from sidecar.policy.document import shown

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)")
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(B|KB|MB|GB|KiB|MiB|GiB)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]+\])")
_AUTHORITY = re.compile(rf"{_HOST.pattern}(?::([0-9]{{1,5}}))?")
_NUMBER = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3})?")
_ORIGIN = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#\s@]+")
_LONGEST = 7 * 24 * 3600


class Words(msgspec.Struct, frozen=True):
    """The names that the rest of the program knows. `schemes`: where backends may be; app is this process itself."""

    dialects: tuple[str, ...]
    formats: tuple[str, ...]
    schemes: tuple[str, ...] = ("http", "https", "app")


class Kind(msgspec.Struct, frozen=True):
    """`show` is the inverse of `read`; `schema` describes what `read` takes, as far as a schema can."""

    read: Callable[[Any, Words], Any]
    schema: dict[str, Any]
    show: Callable[[Any], Any] = lambda value: value


def closest(word: str, known: Iterable[str]) -> str:
    """`; did you mean x?` or nothing."""
    names = list(known)
    if len(word) > 64:
        return ""
    near = difflib.get_close_matches(
        word.lower().replace("-", "_"), [name.lower().replace("-", "_") for name in names], 1
    )
    found = next((name for name in names if [name.lower().replace("-", "_")] == near), None)
    return f"; did you mean {found}?" if found else ""


def address(text: str) -> tuple[str, int]:
    """The host (without brackets) and the port of `HOST:PORT`."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"needs text, not {shown(value)}; put it into quotes if that is what you mean")
    return value


def _duration(value: Any, words: Words) -> float:
    if value == 0 and not isinstance(value, bool):
        return 0.0
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit; write {value}s, or ms, m, h")
    found = _DURATION.fullmatch(_text(value))
    if not found:
        raise ValueError(f"{shown(value)} is not a duration; write 15s, 500ms, 2m, 1h or 0")
    seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds > _LONGEST:
        raise ValueError(f"{value} is longer than a week; 0 is for ever")
    return seconds


def _show_duration(seconds: float) -> str | int:
    if not seconds:
        return 0
    return f"{seconds:.12g}s" if seconds >= 1 else f"{seconds * 1000:.12g}ms"


def _bytes(value: Any, words: Words) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(shown(value))
    if not found:
        raise ValueError(f"{shown(value)} is not a size; write 8MiB, 64KiB, 1MB or a whole number of bytes")
    return round(float(found[1]) * _SIZES[found[2]])


def _one_of(what: str, pick: Callable[[Words], tuple[str, ...]]) -> Callable[[Any, Words], str]:
    def read(value: Any, words: Words) -> str:
        known = pick(words)
        if value not in known:
            raise ValueError(f"unknown {what} {shown(value)}; known: {', '.join(known)}{closest(shown(value), known)}")
        return str(value)

    return read


def _name(value: Any, words: Words) -> str:
    if not _text(value).strip() or len(value) > 200 or not value.isprintable():
        raise ValueError("a name is one line of at most 200 characters")
    if value == "default":
        raise ValueError("default is what a request is called that no rule matches; choose another name")
    return str(value)


def _identifier(value: Any, words: Words) -> str:
    if not _NAME.fullmatch(_text(value)):
        raise ValueError(f"{shown(value)} is not a name; use letters, digits, . _ - (63 at most)")
    return str(value)


def _glob(value: Any, words: Words) -> str:
    if not _text(value):
        raise ValueError("an empty pattern matches nothing; write * for anything")
    return _checked(value)


def _path(value: Any, words: Words) -> str:
    if not _text(value).startswith(("/", "*")):
        raise ValueError(f"a path begins with a slash; write /{shown(value)}")
    return _checked(value)


def _checked(pattern: str) -> str:
    if len(pattern) > 500:
        raise ValueError("a pattern has at most 500 characters")
    try:
        glob.regex(pattern)
    except ValueError as error:
        raise ValueError(f"in {shown(pattern)} {error}") from None
    return pattern


def _method(value: Any, words: Words) -> str:
    if not _TOKEN.fullmatch(_text(value)):
        raise ValueError(f"{shown(value)} is not a method; write GET, POST ...")
    if value != value.upper():
        raise ValueError(f"methods are upper case; write {value.upper()}")
    return str(value)


def _header(value: Any, words: Words) -> str:
    if not _TOKEN.fullmatch(_text(value)):
        raise ValueError(f"{shown(value)} is not the name of a header")
    return str(value)


def _url(value: Any, words: Words) -> str:
    if _text(value) == "app://" and "app" in words.schemes:
        return "app://"
    if value == "app://":
        raise ValueError("app:// is the app that SidecarMiddleware wraps; write http://HOST:PORT here")
    if "http" not in words.schemes:
        raise ValueError("the app that the middleware wraps answers; write app:// here")
    if "@" in value:
        raise ValueError("a URL with a password in it would be shown; let the client send the credentials")
    if value.startswith("unix:///") and len(value) < 120 and value.isprintable():
        return str(value)
    try:
        parts = urlsplit(value)
        authority = _AUTHORITY.fullmatch(parts.netloc)
    except ValueError:
        authority = None
    if not authority or parts.scheme not in ("http", "https") or not _port(authority[1] or "80"):
        raise ValueError(f"{shown(value)} is not a URL; write http://HOST:PORT, https://HOST:PORT or unix:///PATH")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"a request's own path goes upstream; write {parts.scheme}://{parts.netloc} alone")
    return f"{parts.scheme}://{parts.netloc}"


def _address(value: Any, words: Words) -> str:
    host, colon, port = shown(value).rpartition(":")
    if not colon or not _port(port, 0) or (host and not _HOST.fullmatch(host)):
        raise ValueError(f"{shown(value)} is not an address; write HOST:PORT, such as 0.0.0.0:9900 or [::]:9900")
    if not host:
        raise ValueError(f"no host; write 0.0.0.0:{port} for every interface or 127.0.0.1:{port} for this machine")
    return f"{host}:{port}"


def _port(text: str, least: int = 1) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and least <= int(text) <= 65535


def _host(value: Any, words: Words) -> str:
    if not _AUTHORITY.fullmatch(_text(value)):
        raise ValueError(f"{shown(value)} is not a host; write upstream, preserve, or a name such as api.example.com")
    return str(value)


def _percent(value: Any, words: Words) -> float:
    text = shown(value).removesuffix("%").strip()
    if isinstance(value, bool) or not _NUMBER.fullmatch(text) or float(text) > 100:
        raise ValueError(f"{shown(value)} is not a share; write 10% (0 to 100)")
    return float(text)


def _origin(value: Any, words: Words) -> str:
    if value == "*" or _ORIGIN.fullmatch(_text(value)):
        return str(value).lower()
    raise ValueError(f"{shown(value)} is not an origin; write https://app.example.com, without a path, or *")


def _pointer(value: Any, words: Words) -> str:
    if not _text(value).startswith("/"):
        raise ValueError(f"a pointer begins with a slash, such as /choices/0/text; write /{shown(value)}")
    return str(value)


def _rollout_key(value: Any, words: Words) -> str:
    kind, colon, name = _text(value).partition(":")
    if kind != "header" or not colon or not _TOKEN.fullmatch(name):
        raise ValueError(f"{shown(value)} is no key; write header:NAME, such as header:x-user")
    return f"header:{name.lower()}"


_PATTERN = {"type": "string", "minLength": 1, "maxLength": 500}

KINDS = {
    "duration": Kind(
        _duration,
        {"type": ["string", "integer"], "pattern": f"^{_DURATION.pattern}$", "minimum": 0, "maximum": 0},
        _show_duration,
    ),
    "bytes": Kind(_bytes, {"type": ["string", "integer"], "pattern": f"^{_SIZE.pattern}$"}),
    "format": Kind(_one_of("format", lambda words: words.formats), {"type": "string"}),
    "format-or-auto": Kind(_one_of("format", lambda words: ("auto", *words.formats)), {"type": "string"}),
    "dialect": Kind(_one_of("dialect", lambda words: words.dialects), {"type": "string"}),
    "name": Kind(_name, {"type": "string", "minLength": 1, "maxLength": 200, "not": {"const": "default"}}),
    "identifier": Kind(_identifier, {"type": "string", "pattern": f"^{_NAME.pattern}$"}),
    "glob": Kind(_glob, _PATTERN),
    "path": Kind(_path, {**_PATTERN, "pattern": r"^[/*]"}),
    "method": Kind(_method, {"type": "string", "pattern": "^[A-Z0-9!#$%&'*+.^_`|~-]+$"}),
    "header": Kind(_header, {"type": "string", "pattern": f"^{_TOKEN.pattern}$"}),
    "url": Kind(_url, {"type": "string", "pattern": "^(https?://[^/?#@]+/?|unix:///.+|app://)$"}),
    "address": Kind(_address, {"type": "string", "pattern": "^.+:[0-9]{1,5}$"}),
    "host": Kind(_host, {"type": "string", "pattern": r"^[^\s/@]+$"}),
    "percent": Kind(
        _percent,
        {"type": ["string", "number"], "pattern": f"^{_NUMBER.pattern}%?$", "minimum": 0, "maximum": 100},
        lambda share: f"{share:g}%",
    ),
    "origin": Kind(_origin, {"type": "string", "pattern": rf"^(\*|{_ORIGIN.pattern})$"}),
    "pointer": Kind(_pointer, {"type": "string", "pattern": "^/"}),
    "rollout-key": Kind(_rollout_key, {"type": "string", "pattern": "^header:.+$"}),
    "text": Kind(lambda value, words: _text(value), {"type": "string"}),
}
