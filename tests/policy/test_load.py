"""A file becomes values, or a list of everything that is wrong with it."""

import pytest

from sidecar.policy.document import Invalid
from sidecar.policy.load import INSIDE, PROXYING, Flags, load
from sidecar.policy.scalar import Words

HEAD = "version: 1\nupstreams: { backend: { url: http://127.0.0.1:8000 }, two: { url: http://b } }\n"
WORDS = Words(("auto", "openai-chat", "ollama"), ("envelope-v1", "passthrough"))


def problems(text: str, flags: Flags | None = None) -> list[str]:
    with pytest.raises(Invalid) as caught:
        load(text.encode(), "f", flags or Flags(), WORDS)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("15s", 15), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("0", 0), ("0s", 0), ("1.5s", 1.5), ("'2m'", 120)],
)
def test_durations_are_seconds(written: str, seconds: float) -> None:
    config = load(f"{HEAD}defaults: {{ timeouts: {{ total: {written} }} }}".encode(), "f")
    assert config.defaults.timeouts.total == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("written", "size"),
    [("8MiB", 8 << 20), ("64KiB", 65536), ("1MB", 10**6), ("0", 0), ("4096", 4096), ("1.5KiB", 1536), ("7B", 7)],
)
def test_sizes_are_bytes(written: str, size: int) -> None:
    assert load(f"{HEAD}inspect_bytes: {written}".encode(), "f").inspect_bytes == size


def test_what_is_not_given_is_the_default() -> None:
    config = load(HEAD.encode(), "f")
    assert (config.listen, config.admin.listen, config.inspect_bytes) == ("0.0.0.0:9900", "0.0.0.0:9901", 8 << 20)
    policy = config.defaults
    assert (policy.format, policy.stream, policy.headers, policy.open_after) == ("auto", "auto", "on", None)
    assert (policy.ping.interval, policy.ping.shape) == (15, "auto")
    assert (policy.padding.initial_bytes, policy.padding.content) == (0, "spaces")
    times = policy.timeouts
    assert (times.connect, times.head, times.first_token, times.idle, times.total) == (5, 0, 300, 120, 0)
    upstream = config.upstreams[0]
    assert (upstream.name, upstream.dialect, upstream.host) == ("backend", "auto", "upstream")


def test_a_rule_is_laid_over_the_defaults_key_by_key_and_over_no_other_rule() -> None:
    config = load(
        f"""{HEAD}
defaults: {{ ping: {{ shape: event }}, open_after: 3s, allow: [passthrough] }}
rules:
  - {{ name: a, match: {{ method: GET }}, policy: {{ ping: {{ interval: 5s }}, headers: off, allow: [] }} }}
  - {{ name: b, policy: {{ ping: 7s }} }}
""".encode(),
        "f",
    )
    a, b = (rule.policy for rule in config.rules)
    assert (a.ping.interval, a.ping.shape, a.open_after, a.headers, a.allow) == (5, "event", 3, "off", ())
    assert (b.ping.interval, b.ping.shape, b.open_after, b.headers, b.allow) == (7, "event", 3, "on", ("passthrough",))


@pytest.mark.parametrize(
    "line",
    [
        "admin: 127.0.0.1:1",
        "admin: { listen: '[::1]:0' }",
        "listen: '[::]:9900'",
        "listen: localhost:0",
        "defaults: { headers: on, stream: off, ping: { shape: off } }",
        "rules: []",
        "rules: [{ name: a, match: { model: m, headers: { X-A: [a, 'b*'] } } }]",
    ],
)
def test_ways_to_say_it(line: str) -> None:
    assert load(f"{HEAD}{line}".encode(), "f").version == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("listn: x:1", "f:3:1: unknown key listn; did you mean listen?"),
        ("xyzzy: 1", "f:3:1: unknown key xyzzy; known here: version, upstreams, listen, admin, defaults, rules, ins"),
        ("idle: 3s", "f:3:1: unknown key idle; known here"),
        ("defaults: { idle: 3s }", "f:3:13: unknown key idle; it belongs under timeouts"),
        ("defaults: { first-token: 3s }", "f:3:13: unknown key first-token; known here: "),
        ("defaults: { timeouts: { first-token: 3s } }", "f:3:25: unknown key first-token; did you mean first_token?"),
        ("defaults: { retry: {} }", "f:3:13: unknown key retry; known here: format, allow, stream, ping"),
        ("defaults:", "f:3:10: defaults: has no value; give it one or remove the key"),
        ("defaults: [a]", "f:3:11: defaults: needs a mapping of format, allow"),
        ("defaults: { ping: { interval: 15 } }", "f:3:31: interval: 15 has no unit; write 15s, or ms, m, h"),
        ("defaults: { ping: 1.5 }", "f:3:19: interval: 1.5 has no unit; write 1.5s"),
        ("defaults: { ping: off }", "f:3:19: interval: off is not a duration; write 15s"),
        ("defaults: { open_after: -1s }", "f:3:25: open_after: -1s is not a duration"),
        ("defaults: { open_after: 15 s }", "f:3:25: open_after: 15 s is not a duration"),
        ("defaults: { open_after: 1:30 }", "f:3:25: open_after: 1:30 is not a duration"),
        ("defaults: { open_after: 1y }", "f:3:25: open_after: 1y is not a duration"),
        ("defaults: { open_after: 169h }", "f:3:25: open_after: 169h is longer than a week"),
        ("defaults: { open_after: true }", "f:3:25: open_after: needs text, not true"),
        ("defaults: { open_after: false }", "f:3:25: open_after: needs text, not false"),
        ("defaults: { headers: true }", "f:3:22: headers: needs off | on, not true; did you mean on?"),
        ("defaults: { headers: yes }", "f:3:22: headers: needs off | on, not yes"),
        ("defaults: { ping: { shape: commment } }", "f:3:28: shape: needs auto | comment | comment-no-blank | event"),
        (
            "defaults: { format: envelope }",
            "f:3:21: format: unknown format envelope; known: auto, envelope-v1, passthr",
        ),
        ("defaults: { allow: passthrough }", "f:3:20: allow: needs a list, not passthrough"),
        ("defaults: { allow: [envelop-v1] }", "f:3:21: allow: unknown format envelop-v1; known: envelope-v1, passthr"),
        ("defaults: { padding: { initial_bytes: 65KiB } }", "f:3:39: initial_bytes: 65KiB is not between 0 and 65536"),
        ("inspect_bytes: -1", "f:3:16: inspect_bytes: -1 is not between 0"),
        ("inspect_bytes: 8M", "f:3:16: inspect_bytes: 8M is not a size; write 8MiB"),
        ("inspect_bytes: 1.5", "f:3:16: inspect_bytes: 1.5 is not a size"),
        ("inspect_bytes: true", "f:3:16: inspect_bytes: true is not a size"),
        ("listen: 9900", "f:3:9: listen: 9900 is not an address; write HOST:PORT"),
        ("listen: :9900", "f:3:9: listen: no host; write 0.0.0.0:9900"),
        ("listen: a:99999", "f:3:9: listen: a:99999 is not an address"),
        ("listen: ::1:80", "f:3:9: listen: ::1:80 is not an address"),
        ("listen: [a]", "f:3:9: listen: needs one value, not a list"),
        ("admin: { token: x }", "f:3:10: unknown key token; known here: listen"),
        ("rules: [" + "{}," * 501 + "]", "f:3:8: rules: 501 are too many; 500 at most"),
        ("rules: { name: a }", "f:3:8: rules: needs a list, not a mapping"),
        ("rules: [5]", "f:3:9: rules: needs a mapping of name, match, upstreams, policy, not 5"),
        ("rules: [{}]", "f:3:9: rules: name is missing"),
        ("rules: [{ name: 5 }]", "f:3:17: name: needs text, not 5; put it into quotes"),
        ("rules: [{ name: default }]", "f:3:17: name: default is what a request is called that no rule matches"),
        ("rules: [{ name: a, upstreams: [bakend] }]", "f:3:32: upstreams: unknown upstream bakend; did you mean backe"),
        ("rules: [{ name: a, upstreams: [two, two] }]", "f:3:37: upstreams: upstream two stands here twice"),
        ("rules: [{ name: a, upstreams: two }]", "f:3:31: upstreams: needs a list, not two"),
        ("rules: [{ name: a, match: { method: get } }]", "f:3:37: method: methods are upper case; write GET"),
        ("rules: [{ name: a, match: { method: 'G T' } }]", "f:3:37: method: G T is not a method"),
        ("rules: [{ name: a, match: { path: v1 } }]", "f:3:35: path: a path begins with a slash; write /v1"),
        ("rules: [{ name: a, match: { path: '/[a' } }]", "f:3:35: path: in /[a its [ is not closed"),
        ("rules: [{ name: a, match: { model: [] } }]", "f:3:36: model: an empty list matches nothing"),
        ("rules: [{ name: a, match: { model: '' } }]", "f:3:36: model: an empty pattern matches nothing"),
        ("rules: [{ name: a, match: { model: 4 } }]", "f:3:36: model: needs text, not 4"),
        ("rules: [{ name: a, match: { stream: yes } }]", "f:3:37: stream: needs true or false, not yes"),
        ("rules: [{ name: a, match: { headers: { 'x y': a } } }]", "f:3:40: x y is not the name of a header"),
        ("rules: [{ name: a, match: { headers: { x: {} } } }]", "f:3:43: x: needs one value, not an empty mapping"),
        ("version: 1", "f:3:1: version stands here twice, first in line 1"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_cure(line: str, problem: str) -> None:
    (told,) = problems(HEAD + line)
    assert told.startswith(problem), told


@pytest.mark.parametrize(
    ("upstream", "problem"),
    [
        ("{}", "f:2:23: backend: url is missing"),
        ("", "f:2:22: backend: needs a mapping of url, dialect, host"),
        ("{ url: 127.0.0.1:8000 }", "f:2:30: url: 127.0.0.1:8000 is not a URL; write http://HOST:PORT"),
        ("{ url: ftp://a }", "f:2:30: url: ftp://a is not a URL"),
        ("{ url: http:// }", "f:2:30: url: http:// is not a URL"),
        ("{ url: 'http://a:99999' }", "f:2:30: url: http://a:99999 is not a URL"),
        ("{ url: 'http://a:0' }", "f:2:30: url: http://a:0 is not a URL"),
        ("{ url: 'http://[::1' }", "f:2:30: url: http://[::1 is not a URL"),
        ("{ url: 'http://a b' }", "f:2:30: url: http://a b is not a URL"),
        ("{ url: http://a/v1 }", "f:2:30: url: a request's own path goes upstream; write http://a alone"),
        ("{ url: 'http://a?k=1' }", "f:2:30: url: a request's own path goes upstream"),
        ("{ url: http://u:secret@a }", "f:2:30: url: a URL with a password in it would be shown"),
        ("{ url: http://a, dialect: opena-chat }", "f:2:49: dialect: unknown dialect opena-chat; known: auto, openai"),
        ("{ url: http://a, host: 'a b' }", "f:2:46: host: a b is not a host; write upstream, preserve"),
        ("{ url: http://a, name: b }", "f:2:40: unknown key name; known here: url, dialect"),
    ],
)
def test_a_bad_upstream(upstream: str, problem: str) -> None:
    (told,) = problems(f"version: 1\nupstreams: {{ backend: {upstream} }}")
    assert told.startswith(problem), told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("words", "url", "told"),
    [
        (PROXYING, "http://a", ""),
        (INSIDE, "app://", ""),
        (PROXYING, "app://", "f:2:24: url: app:// is the app that SidecarMiddleware wraps; write http://HOST"),
        (INSIDE, "http://a", "f:2:24: url: the app that the middleware wraps answers; write app:// here"),
        (INSIDE, "app://x", "f:2:24: url: the app that the middleware wraps answers; write app:// here"),
    ],
)
def test_a_file_is_for_a_proxy_or_for_an_app(words: Words, url: str, told: str) -> None:
    text = f"version: 1\nupstreams: {{ a: {{ url: {url} }} }}".encode()
    if not told:
        assert load(text, "f", words=words).upstreams[0].url == url
        return
    with pytest.raises(Invalid) as caught:
        load(text, "f", words=words)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("upstreams: { a: { url: http://a } }", "f:1:1: the file: version is missing"),
        ("version: 1", "f:1:1: the file: upstreams is missing"),
        ("version: 2\nupstreams: { a: { url: http://a } }", "f:1:10: version: needs 1, not 2"),
        ("version: '1'\nupstreams: { a: { url: http://a } }", "f:1:10: version: needs 1, not 1"),
        ("version: true\nupstreams: { a: { url: http://a } }", "f:1:10: version: needs 1, not true"),
        ("version: 1\nupstreams: {}", "f:2:12: upstreams: needs a mapping of names, not an empty mapping"),
        ("version: 1\nupstreams: [a]", "f:2:12: upstreams: needs a mapping of names, not a list"),
        ("version: 1\nupstreams: { 'a b': { url: http://a } }", "f:2:14: a b is not a name; use letters"),
        ("hello", "f:1:1: the file: needs a mapping of version, upstreams"),
        ("- version", "f:1:1: the file: needs a mapping of version, upstreams"),
    ],
)
def test_a_bad_file(text: str, problem: str) -> None:
    (told,) = problems(text)
    assert told.startswith(problem), told


def test_every_mistake_of_a_file_is_told_in_its_order() -> None:
    text = """version: 3
listen: 1
upstreams: { a: { url: b } }
defaults: { ping: { interval: 4, shape: x }, timeouts: { idle: 1s, idle: 2s } }
rules:
  - { name: a, match: { path: x }, upstreams: [c] }
  - { name: a, polcy: {} }
  - name: c
"""
    assert [told.split(": ")[0] for told in problems(text)] == [
        *("f:1:10", "f:2:9", "f:3:24", "f:4:31", "f:4:41", "f:4:68"),
        *("f:6:31", "f:6:48", "f:7:13", "f:7:16", "f:8:5"),
    ]


REACHED = [
    ("{ path: /a }", "{ path: /b }"),
    ("{ path: /a }", "{ model: m }"),
    ("{ method: GET }", "{ method: [GET, POST] }"),
    ("{ model: 'gpt-4*' }", "{ model: 'gpt-*' }"),
    ("{ headers: { a: '*' } }", "{ headers: { b: '*' } }"),
    ("{ headers: { a: x, b: y } }", "{ headers: { a: x } }"),
    ("{ stream: true }", "{ stream: false }"),
    ("{ stream: true }", "{}"),
    ("{ model: '*' }", "{}"),
]
UNREACHED = [
    ("{}", "{ path: /a }"),
    ("{}", "{}"),
    ("{ path: '**' }", "{ path: /a, model: m }"),
    ("{ path: '/v1/*' }", "{ path: /v1/models }"),
    ("{ method: [GET, POST] }", "{ method: GET, stream: true }"),
    ("{ model: 'gpt-*' }", "{ model: [gpt-4, 'gpt-5*'] }"),
    ("{ headers: { User-Agent: ['*Phone*', x] } }", "{ headers: { user-agent: 'my phone', b: y } }"),
    ("{ headers: { a: '*' }, stream: true }", "{ stream: true, headers: { A: [b, c] } }"),
]


@pytest.mark.parametrize(("first", "second"), REACHED)
def test_a_rule_that_can_have_its_turn_is_good(first: str, second: str) -> None:
    text = f"{HEAD}rules:\n  - {{ name: a, match: {first} }}\n  - {{ name: b, match: {second} }}"
    assert len(load(text.encode(), "f").rules) == 2


@pytest.mark.parametrize(("first", "second"), UNREACHED)
def test_a_rule_that_never_has_its_turn_is_refused(first: str, second: str) -> None:
    text = f"{HEAD}rules:\n  - {{ name: a, match: {first} }}\n  - {{ name: b, match: {second} }}"
    assert problems(text) == ["f:5:5: rules: never reached: rule 1 matches all of it; move this one up"]


def test_a_mistake_in_a_match_does_not_make_the_next_rule_unreachable() -> None:
    (told,) = problems(f"{HEAD}rules:\n  - {{ name: a, match: {{ pth: /a }} }}\n  - {{ name: b }}")
    assert "unknown key pth; did you mean path?" in told


def test_two_rules_have_two_names() -> None:
    (told,) = problems(f"{HEAD}rules:\n  - {{ name: a, match: {{ path: /a }} }}\n  - {{ name: a }}")
    assert told == "f:5:13: name: rule 1 is called a as well; give each its own name"


def test_flags_win_over_the_file() -> None:
    text = HEAD + "listen: a:1\nadmin: { listen: b:1 }\nrules: [{ name: r, policy: { format: passthrough } }]"
    flags = Flags("https://c", "l:2", "m:2", "passthrough", "ollama")
    config = load(text.encode(), "f", flags, WORDS)
    assert (config.listen, config.admin.listen, config.defaults.format) == ("l:2", "m:2", "passthrough")
    assert [(upstream.url, upstream.dialect) for upstream in config.upstreams] == [
        ("https://c", "ollama"),
        ("http://b", "ollama"),
    ]
    kept = load(text.encode(), "f", Flags(format="envelope-v1"), WORDS)
    assert kept.rules[0].policy.format == "passthrough"


def test_a_bad_flag_is_named() -> None:
    told = problems(HEAD + "inspect_bytes: x", Flags("x", "x", "x", "x", "x"))
    assert [line.split(": ")[0] for line in told] == [
        "--upstream",
        "--dialect",
        "--dialect",
        "--listen",
        "--admin",
        "--format",
        "f:3:16",
    ]


@pytest.mark.parametrize("text", ["hello", "- a", "upstreams: 5", "defaults:\nupstreams: { a: 5 }"])
def test_flags_on_a_file_that_is_none_change_nothing_of_its_problems(text: str) -> None:
    told = problems(text, Flags("http://a", "a:1", "a:1", "passthrough", "ollama"))
    assert told and all(line.startswith("f:") for line in told)
