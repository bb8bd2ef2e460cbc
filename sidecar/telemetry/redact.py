"""A configuration as anybody may see it: no secret, no url's userinfo or query."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

HIDDEN = "***"
SECRETS = {"authorization", "cookie", "credentials", "key", "password", "secret", "token"}


def redacted(config: Any) -> Any:
    """The msgspec value as plain JSON types, secrets hidden."""
    return _clean("", msgspec.to_builtins(config, str_keys=True))


def url(text: str) -> str:
    """A url without userinfo, query and fragment; any other text as it is."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return HIDDEN
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _clean(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(key, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(name, each) for each in value]
    if isinstance(value, str) and value:
        return HIDDEN if _secret(name) else url(value)
    return value


def _secret(name: str) -> bool:
    words = name.lower().replace("-", "_").split("_")
    return words[-1] in SECRETS or "".join(words[-2:]) == "apikey" or words[-1] == "apikey"
