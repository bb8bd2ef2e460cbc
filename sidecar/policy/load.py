"""A file's text to a `Config`, or everything that is wrong with it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sidecar.policy import glob
from sidecar.policy.config import Config, Match
from sidecar.policy.document import Document, Invalid, Path, shown
from sidecar.policy.reader import BAD, Reader
from sidecar.policy.scalar import Words, closest
from sidecar.policy.shape import CONFIG
from sidecar.stream import dialects, wires

WORDS = Words(dialects.names(), wires.NAMES)
PROXYING = msgspec.structs.replace(WORDS, schemes=("http", "https"))
INSIDE = msgspec.structs.replace(WORDS, schemes=("app",))


class Flags(msgspec.Struct, frozen=True):
    """What the command line said; empty is nothing. A flag wins over the file; a rule's own format over `format`."""

    upstream: str = ""
    listen: str = ""
    admin: str = ""
    format: str = ""
    dialect: str = ""


NO_FLAGS = Flags()


def load(text: bytes, name: str, flags: Flags = NO_FLAGS, words: Words = WORDS) -> Config:
    """The configuration of a file called `name`. Invalid with all its problems."""
    document = Document(text, name)
    _lay_flags(document, flags)
    read = Reader(document, words).read(CONFIG, document.data, ())
    if read is not BAD:
        _check(document, read)
    if problems := document.problems():
        raise Invalid(problems)
    defaults = read.get("defaults", {})
    rules = [{**rule, "policy": _laid(rule.get("policy", {}), defaults)} for rule in read.get("rules", [])]
    return msgspec.convert({**read, "rules": rules}, Config)


def _lay_flags(document: Document, flags: Flags) -> None:
    upstreams = document.data.get("upstreams") if isinstance(document.data, dict) else None
    names = list(upstreams) if isinstance(upstreams, dict) else []
    ways: list[tuple[str, Path]] = [("listen", ("listen",)), ("admin", ("admin",)), ("format", ("defaults", "format"))]
    ways += [("upstream", ("upstreams", name, "url")) for name in names[:1]]
    ways += [("dialect", ("upstreams", name, "dialect")) for name in names]
    for flag, path in ways:
        if value := getattr(flags, flag):
            document.put(path, value, f"--{flag}")


def _laid(own: Any, under: Any) -> Any:
    """`own` over `under`, key by key."""
    if not isinstance(own, dict) or not isinstance(under, dict):
        return own
    return {**under, **{key: _laid(value, under.get(key)) for key, value in own.items()}}


def _check(document: Document, read: dict[str, Any]) -> None:
    """What no value can know alone: names that stand for something, names that stand twice, rules without a turn."""
    upstreams = document.data.get("upstreams")
    known = list(upstreams) if isinstance(upstreams, dict) else []
    names: dict[str, int] = {}
    matches: dict[int, Match] = {}
    for upstream in read.get("upstreams", []):
        _check_transport(document, ("upstreams", upstream["name"]), upstream)
    _check_policy(document, ("defaults",), read.get("defaults", {}))
    for index, rule in enumerate(read.get("rules", [])):
        if rule is BAD:
            continue
        _check_policy(document, ("rules", index, "policy"), rule.get("policy", {}))
        _check_upstreams(document, ("rules", index, "upstreams"), rule.get("upstreams", ()), known)
        _check_name(document, ("rules", index, "name"), rule.get("name", ""), names)
        if document.clean(("rules", index, "match")) and document.clean(("rules", index, "<<")):
            matches[index] = msgspec.convert(rule.get("match", {}), Match)
            _check_reach(document, matches, index)


def _check_transport(document: Document, path: Path, upstream: dict[str, Any]) -> None:
    url, tls = upstream.get("url", ""), {**upstream.get("tls", {})}
    special = tls.pop("verify", "on") == "off" or bool(tls)
    if upstream.get("transport") == "httpx2" and (url.startswith("unix:") or special):
        document.say((*path, "transport"), "unix sockets and tls settings need the lean transport; remove this key")
    if special and url and not url.startswith("https:"):
        document.say((*path, "tls"), f"{url} is not https")


def _check_policy(document: Document, path: Path, policy: dict[str, Any]) -> None:
    cors, rollout = policy.get("cors", {}), policy.get("rollout", {})
    if cors.get("credentials") == "on" and "*" in cors.get("origins", ()):
        document.say((*path, "cors", "credentials"), "browsers send cookies to named origins only; name them, not *")
    if rollout.get("percent") and not rollout.get("format"):
        document.say((*path, "rollout"), "format is missing: what shall the share get?")


def _check_upstreams(document: Document, path: Path, named: Sequence[Any], known: list[str]) -> None:
    for index, name in enumerate(named):
        if name is not BAD and name not in known:
            document.say((*path, index), f"unknown upstream {shown(name)}{closest(name, known)}")
        elif name in named[:index]:
            document.say((*path, index), f"upstream {shown(name)} stands here twice; remove one")


def _check_name(document: Document, path: Path, name: str, names: dict[str, int]) -> None:
    if name in names:
        document.say(path, f"rule {names[name]} is called {shown(name)} as well; give each its own name")
    elif name:
        names[name] = int(path[1]) + 1


def _check_reach(document: Document, matches: dict[int, Match], index: int) -> None:
    for earlier, match in matches.items():
        if earlier < index and _takes_all(match, matches[index]):
            document.say(("rules", index), f"never reached: rule {earlier + 1} matches all of it; move this one up")
            return


def _takes_all(wide: Match, narrow: Match) -> bool:
    """Whether surely every request of the narrow match is one of the wide one's."""
    lower = {name.lower(): tuple(map(str.lower, globs)) for name, globs in narrow.headers.items()}
    return (
        (wide.stream is None or wide.stream is narrow.stream)
        and (not wide.method or (bool(narrow.method) and set(narrow.method) <= set(wide.method)))
        and (not wide.path or (bool(narrow.path) and glob.covers(wide.path, narrow.path, path=True)))
        and _any_covers(wide.model, narrow.model)
        and all(
            _any_covers(tuple(map(str.lower, globs)), lower.get(name.lower(), ()))
            for name, globs in wide.headers.items()
        )
    )


def _any_covers(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    return not wide or (bool(narrow) and all(any(glob.covers(one, each) for one in wide) for each in narrow))
