"""Which rule decides about a request: looked up once, at the door."""

import re
from collections.abc import Callable, Iterable

import msgspec

from sidecar.policy import glob
from sidecar.policy.config import Config, Match, Policy, Upstream


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What rules look at. `headers` as ASGI gives them (lower-case names); `model` is empty where not known."""

    method: str
    path: str
    headers: Iterable[tuple[bytes, bytes]] = ()
    model: str = ""
    stream: bool = False


class Decision(msgspec.Struct, frozen=True):
    """What was decided. `route` is the rule's path pattern, empty where it has none; `upstreams` in order."""

    rule: str
    route: str
    upstreams: tuple[Upstream, ...]
    policy: Policy


Test = Callable[[Facts, dict[bytes, list[str]]], object]


class Rules:
    """The rules of one configuration, compiled. Immutable: a new configuration is a new `Rules`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        upstreams = {upstream.name: upstream for upstream in config.upstreams}
        first = config.upstreams[:1]
        self._rules = [
            (
                _tests(rule.match),
                Decision(
                    rule.name,
                    rule.match.path,
                    tuple(upstreams[name] for name in rule.upstreams) or first,
                    rule.policy,
                ),
            )
            for rule in config.rules
        ]
        self._default = Decision("default", "", first, config.defaults)
        self._names = frozenset(name.lower().encode() for rule in config.rules for name in rule.match.headers)

    def resolve(self, facts: Facts) -> Decision:
        """The decision of the first rule that matches; of `default` where none does."""
        headers = self._values(facts.headers) if self._names else {}
        for tests, decision in self._rules:
            for test in tests:
                if not test(facts, headers):
                    break
            else:
                return decision
        return self._default

    def _values(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[str]]:
        """What the headers say that any rule looks at."""
        values: dict[bytes, list[str]] = {}
        for name, value in headers:
            if name in self._names:
                values.setdefault(name, []).append(value.decode("utf-8", "replace").lower())
        return values


def _tests(match: Match) -> tuple[Test, ...]:
    """One function a condition; the cheap ones first."""
    tests: list[Test] = []
    if match.stream is not None:
        tests.append(_stream(match.stream))
    if match.method:
        tests.append(_method(frozenset(match.method)))
    tests += [_header(name.lower().encode(), globs) for name, globs in match.headers.items()]
    if match.path:
        tests.append(_path(match.path))
    if match.model:
        tests.append(_model(match.model))
    return tuple(tests)


def _stream(wanted: bool) -> Test:
    return lambda facts, _: facts.stream is wanted


def _method(methods: frozenset[str]) -> Test:
    return lambda facts, _: facts.method in methods


def _path(pattern: str) -> Test:
    able = re.compile(glob.regex(pattern, path=True), re.S).match
    return lambda facts, _: able(facts.path)


def _model(globs: tuple[str, ...]) -> Test:
    able = glob.matcher(globs)
    return lambda facts, _: facts.model and able(facts.model)


def _header(name: bytes, globs: tuple[str, ...]) -> Test:
    able = glob.matcher(map(str.lower, globs))
    return lambda _, headers: any(map(able, headers.get(name, ())))
