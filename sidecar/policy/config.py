"""The configuration as values: what every key is called, what it means, what it is when it is not given.

The structs are the one source of the names: the reader, the JSON Schema and `explain` all walk them. `extra` says
what a plain type cannot: the `kind` of a scalar (see `scalar.py`), `short`: the field meant where a scalar stands
instead of a mapping, `keyed`: the field that the keys of a mapping fill, `listed`: one value may stand for a list.
Durations are seconds, sizes are bytes.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sidecar.stream import wires
from sidecar.stream.shapes import Shape


def _kind(kind: str) -> Meta:
    return Meta(extra={"kind": kind})


def _size(description: str, most: int) -> Meta:
    return Meta(description=description, ge=0, le=most, extra={"kind": "bytes"})


def _is(description: str) -> Meta:
    return Meta(description=description)


Duration = Annotated[float, _kind("duration")]
Format = Annotated[str, _kind("format")]
Choice = Annotated[str, _kind("format-or-auto")]
Name = Annotated[str, _kind("name")]
Address = Annotated[str, _kind("address")]
Percent = Annotated[float, _kind("percent")]
Origins = Annotated[tuple[Annotated[str, _kind("origin")], ...], Meta(extra={"listed": True})]
HeaderNames = Annotated[tuple[Annotated[str, _kind("header")], ...], Meta(extra={"listed": True})]
_KEY = {"kind": "rollout-key"}
Globs = Annotated[tuple[Annotated[str, _kind("glob")], ...], Meta(extra={"listed": True})]
Methods = Annotated[tuple[Annotated[str, _kind("method")], ...], Meta(extra={"listed": True})]


class Ping(msgspec.Struct, frozen=True):
    """What a client hears while the backend is silent."""

    interval: Annotated[Duration, _is("Silence after which a ping goes out; 0: no pings.")] = 15.0
    shape: Annotated[
        Literal["auto", "comment", "comment-no-blank", "event", "off"],
        _is("How a ping looks; auto is what the client's format bears."),
    ] = "auto"


class Padding(msgspec.Struct, frozen=True):
    """A comment sent with the head, for clients that hold back the first bytes."""

    initial_bytes: Annotated[int, _size("Length of the whole comment with its line end; 0: none.", 64 << 10)] = 0
    content: Annotated[Literal["spaces", "random"], _is("What it is filled with.")] = "spaces"


class Timeouts(msgspec.Struct, frozen=True):
    """How long to wait for the backend; 0 is for ever."""

    connect: Annotated[Duration, _is("Until the backend accepts the connection.")] = 5.0
    head: Annotated[Duration, _is("Until the head of the answer.")] = 0.0
    first_token: Annotated[Duration, _is("Until the first text, reasoning or tool call of a stream.")] = 300.0
    idle: Annotated[Duration, _is("Between two events of a stream, after its first token.")] = 120.0
    total: Annotated[Duration, _is("For the whole answer.")] = 0.0


class Limits(msgspec.Struct, frozen=True):
    """How much of anything there may be."""

    frame_bytes: Annotated[
        int, _size("Of a backend's frame, an image in one line included; larger ones cannot be read.", 1 << 30)
    ] = 64 << 20


class Cors(msgspec.Struct, frozen=True):
    """What browsers on other origins may read; without origins the backend's own CORS headers stand."""

    origins: Annotated[Origins, _is("Origins such as https://app.example.com, or * for any.")] = ()
    credentials: Annotated[Literal["on", "off"], _is("Whether cookies may be sent; needs named origins.")] = "off"
    headers: Annotated[HeaderNames, _is("Request headers that scripts may set, besides the harmless ones.")] = (
        "authorization",
        "content-type",
        "last-event-id",
        "x-stream-format",
    )
    max_age: Annotated[Duration, _is("How long a browser may remember the answer to its preflight.")] = 600.0


class Abort(msgspec.Struct, frozen=True):
    """When a rollout turns itself off."""

    failure_rate: Annotated[Percent, _is("Share of failed streams of the arm within the window; 0: never.")] = 0.0
    window: Annotated[Duration, _is("How far back streams are counted.")] = 300.0


class Rollout(msgspec.Struct, frozen=True):
    """Another format for a share of the clients that ask for none."""

    format: Annotated[Format, _is("What the share gets.")] = ""
    percent: Annotated[Percent, _is("The share.")] = 0.0
    key: Annotated[str, Meta(description="header:NAME; its value decides, so a user stays on an arm.", extra=_KEY)] = ""
    abort: Annotated[Abort, _is("When it turns itself off, until the file is loaded again.")] = Abort()


class Policy(msgspec.Struct, frozen=True):
    """What is done with a request. `open_after` None means: as `ping.interval`."""

    format: Annotated[
        Choice,
        _is(
            "What a stream leaves as, unless the client asks for another; auto: on the path of a known API that API's"
            " format, elsewhere envelope-v1."
        ),
    ] = "auto"
    allow: Annotated[tuple[Format, ...], _is("The formats that a client may ask for.")] = wires.NAMES
    stream: Annotated[
        Literal["auto", "on", "off"], _is("Whether a request asks for a stream; auto: its body and path tell.")
    ] = "auto"
    ping: Annotated[Ping, Meta(description="Keep-alive.", extra={"short": "interval"})] = Ping()
    open_after: Annotated[
        Duration | None, _is("Silence of the backend after which the answer is opened; as ping.interval; 0: never.")
    ] = None
    padding: Annotated[Padding, _is("First bytes for clients that buffer.")] = Padding()
    headers: Annotated[Literal["on", "off"], _is("The headers that keep proxies from buffering.")] = "on"
    timeouts: Annotated[Timeouts, _is("Patience with the backend.")] = Timeouts()
    limits: Annotated[Limits, _is("How much of anything there may be.")] = Limits()
    redirects: Annotated[
        Literal["rewrite", "keep"],
        _is("A Location of the backend's own address: rewrite: it becomes the client's; keep: it stays."),
    ] = "rewrite"
    usage: Annotated[
        Literal["off", "ask"], _is("ask: the backend is asked to count tokens where an OpenAI request does not.")
    ] = "off"
    think: Annotated[
        Literal["keep", "split"], _is("split: an answer's <think> ... </think> becomes reasoning; keep: it stays text.")
    ] = "keep"
    end: Annotated[
        Literal["auto", "body"], _is("body: an answer whose body ends well is whole, also without a mark of its end.")
    ] = "auto"
    cors: Annotated[Cors, _is("Browsers on other origins.")] = Cors()
    rollout: Annotated[Rollout, _is("A share of the clients gets another format.")] = Rollout()


class Tls(msgspec.Struct, frozen=True):
    """How an https backend is trusted, and what it is shown. Files are PEM."""

    ca: Annotated[str, _is("File of the authorities that are trusted; the system's store.")] = ""
    cert: Annotated[str, _is("File of the certificate that is shown to the backend.")] = ""
    key: Annotated[str, _is("File of its private key, where that is another.")] = ""
    verify: Annotated[Literal["on", "off"], _is("off: any certificate is trusted.")] = "on"
    server_name: Annotated[str, _is("What the certificate must name; the url's host.")] = ""


class Upstream(msgspec.Struct, frozen=True):
    """A backend."""

    name: Annotated[str, _kind("identifier")]
    url: Annotated[
        str,
        Meta(
            description="http(s)://HOST:PORT, or unix:///PATH; app://: the app that a middleware wraps.",
            extra={"kind": "url"},
        ),
    ]
    dialect: Annotated[
        str, Meta(description="What the backend speaks; auto: its first frames tell.", extra={"kind": "dialect"})
    ] = "auto"
    host: Annotated[
        str,
        Meta(
            description="The Host it is sent: upstream (the url's), preserve (the client's), or a name.",
            extra={"kind": "host"},
        ),
    ] = "upstream"
    tls: Annotated[Tls, _is("Of an https url.")] = Tls()
    pointers: Annotated[
        Shape | None, _is("A JSON stream of no dialect, described by where it says what (RFC 6901 pointers).")
    ] = None
    end: Annotated[
        Literal["auto", "body"], _is("body: its streams have no mark of their end; a body that ends well is whole.")
    ] = "auto"
    transport: Annotated[
        Literal["lean", "httpx2"], _is("What fetches its answers: lean, the sidecar's own, or httpx2's.")
    ] = "lean"


class Match(msgspec.Struct, frozen=True):
    """What a request must be for a rule; everything that is given must hold."""

    method: Annotated[Methods, _is("The method, or any of a list.")] = ()
    path: Annotated[
        str, Meta(description="A glob: * stays within a segment, ** crosses them.", extra={"kind": "path"})
    ] = ""
    headers: Annotated[
        dict[Annotated[str, _kind("header")], Globs], _is("Header name to a glob, or any of a list; * means present.")
    ] = {}
    model: Annotated[Globs, _is("A glob on the model that the body names, or any of a list.")] = ()
    stream: Annotated[bool | None, _is("Whether the request asks for a stream.")] = None


class Rule(msgspec.Struct, frozen=True):
    """The first rule that matches decides. `policy` is whole: the rule's own words laid over `defaults`."""

    name: Annotated[Name, _is("What logs, spans and explain call it.")]
    match: Annotated[Match, _is("What a request must be; nothing: every request.")] = Match()
    upstreams: Annotated[tuple[str, ...], _is("Backends in order of preference; the first of the file if none.")] = ()
    policy: Annotated[Policy, _is("Laid over defaults.")] = Policy()


class Admin(msgspec.Struct, frozen=True):
    """The admin server."""

    listen: Annotated[Address, _is("HOST:PORT of health, metrics and configuration.")] = "0.0.0.0:9901"


class Config(msgspec.Struct, frozen=True):
    """One file."""

    version: Annotated[Literal[1], _is("Of this file's format.")]
    upstreams: Annotated[tuple[Upstream, ...], Meta(description="Name to backend.", extra={"keyed": "name"})]
    listen: Annotated[Address, _is("HOST:PORT where clients connect.")] = "0.0.0.0:9900"
    admin: Annotated[Admin, Meta(description="Where operators connect.", extra={"short": "listen"})] = Admin()
    defaults: Annotated[Policy, _is("The policy of every request, where a rule says nothing else.")] = Policy()
    rules: Annotated[tuple[Rule, ...], Meta(description="The first that matches decides.", max_length=500)] = ()
    inspect_bytes: Annotated[int, _size("JSON bodies up to this size are read for model and stream.", 1 << 30)] = (
        8 << 20
    )
