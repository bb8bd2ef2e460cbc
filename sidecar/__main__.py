"""The commands. What a command needs is imported inside it, so that `--help` is quick."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sidecar import __version__

if TYPE_CHECKING:
    from sidecar.policy.config import Upstream
    from sidecar.policy.rules import Facts, Rules
    from sidecar.proxy.reload import Source
    from sidecar.stream.events import Event

EXAMPLES = """\b
Exit codes: 0 well, 1 the file or the check is bad, 2 wrong use.

\b
Examples:
  sidecar serve --upstream http://127.0.0.1:8000
  sidecar check sidecar.yaml
  sidecar explain sidecar.yaml --path /v1/chat/completions --body @body.json
"""


@click.group(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, "-V", "--version", message="sidecar %(version)s")
def main() -> None:
    """A transparent reverse proxy beside an LLM backend: whatever it streams
    reaches the client unbuffered, alive, cancellable and measured."""


def _one_process(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError("One process is one core: scale by replicas.")


@main.command(
    epilog="""\b
Examples:
  sidecar serve --upstream http://127.0.0.1:8000
  sidecar serve --config /etc/sidecar/sidecar.yaml --listen 127.0.0.1:9900
"""
)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Rules; followed while running.")
@click.option("--upstream", default="", metavar="URL", help="The backend, under the built-in rules.")
@click.option("--listen", default="", metavar="HOST:PORT", help="For clients; 0.0.0.0:9900.")
@click.option("--admin", default="", metavar="HOST:PORT", help="For operators; 0.0.0.0:9901.")
@click.option("--format", default="", metavar="F", help="What streams leave as, where no rule says it.")
@click.option("--dialect", default="", metavar="D", help="What the backend speaks; auto.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning"]), default="info", help="info; debug says more."
)
@click.option("--workers", hidden=True, expose_value=False, callback=_one_process)
def serve(
    config: Path | None, upstream: str, listen: str, admin: str, format: str, dialect: str, log_level: str
) -> None:
    """Stand before a backend until a signal ends it.

    A flag wins over the file. SIGHUP reads the file at once. JSON log lines go to standard output.
    """
    import uvloop

    from sidecar.policy.document import Invalid
    from sidecar.policy.load import PROXYING, Flags
    from sidecar.proxy.process import serve
    from sidecar.proxy.reload import Source
    from sidecar.telemetry import log

    if config and upstream:
        raise click.UsageError("--upstream is for the built-in rules; with --config the file names the backends.")
    source = Source(config, Flags(upstream, listen, admin, format, dialect), PROXYING)
    rules = _load(source)
    if not config:
        click.echo(_promise(rules), err=True)
    log.setup(sys.stdout, log_level)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # before the watch of the file takes it over
    try:
        uvloop.run(serve(source))
    except Invalid as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {error.strerror or error}; see --listen and --admin") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@main.command(epilog="\b\nExample:\n  sidecar check config/sidecar.yaml")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Read a configuration FILE and say all that is wrong with it.

    A problem is one line on standard error: file:line:column, and what to do. Exit code 1 if there is any.
    """
    from sidecar.proxy.reload import Source

    config = _load(Source(file)).config
    click.echo(f"{file}: good; {len(config.upstreams)} upstream(s), {len(config.rules)} rule(s)")


@main.command(
    epilog="""\b
Examples:
  sidecar explain sidecar.yaml --path /v1/chat/completions --body @body.json
  sidecar explain --header 'User-Agent: ollama-python/0.6' --path /api/chat
"""
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--path", default="/", metavar="PATH", help="The path asked for.", show_default=True)
@click.option("--method", metavar="M", help="POST if there is a body, else GET.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="As often as needed.")
@click.option("--body", default="", metavar="JSON|@FILE", help="Its model and stream flag are read.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of YAML.")
def explain(
    file: Path | None, path: str, method: str | None, headers: tuple[str, ...], body: str, as_json: bool
) -> None:
    """Say which rule a request meets, and what is done with it.

    Without a FILE: which of the built-in rules.
    """
    from sidecar.policy.explain import explain
    from sidecar.proxy.reload import Source

    facts = _facts(path, method, headers, body)
    said = explain(_load(Source(file)).resolve(facts), facts)
    click.echo(_json(said) if as_json else _yaml(said), nl=False)


@main.command(epilog="\b\nExample:\n  sidecar schema config > sidecar.schema.json")
@click.argument("name", type=click.Choice(["config", "envelope-v1", "envelope-v2"]))
def schema(name: str) -> None:
    """Print the JSON Schema of the configuration or of the envelope."""
    from importlib import resources

    from sidecar.policy.schema import schema

    if name == "config":
        click.echo(_json(schema()), nl=False)
    else:
        click.echo((resources.files("sidecar.stream.wires") / f"{name}.schema.json").read_text(), nl=False)


@main.command(
    epilog="""\b
Examples:
  curl -sN http://127.0.0.1:8000/... > answer.sse; sidecar decode answer.sse
  sidecar decode answer.ndjson --dialect ollama --cut 1 --json
  sidecar decode answer.sse --config sidecar.yaml --upstream homegrown
"""
)
@click.argument("file", type=click.File("rb"))
@click.option("--dialect", default="auto", metavar="D", help="What the backend spoke.", show_default=True)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Read it as an upstream of this file.")
@click.option("--upstream", default="", metavar="NAME", help="Which one; the first.")
@click.option("--cut", type=click.IntRange(1), metavar="N", help="Feed it in pieces of N bytes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def decode(file: Any, dialect: str, config: Path | None, upstream: str, cut: int | None, as_json: bool) -> None:
    """Print the events of a recorded stream; `-` is standard input.

    Exit code 1 if the stream ends in an error.
    """
    from sidecar.policy.scalar import closest
    from sidecar.stream import dialects
    from sidecar.stream.events import Error
    from sidecar.stream.parser import StreamParser

    if dialect not in dialects.names():
        known = ", ".join(dialects.names())
        raise click.UsageError(f"unknown dialect {dialect}; known: {known}{closest(dialect, dialects.names())}")
    source = _upstream(config, upstream) if config else None
    parser = StreamParser(dialect)
    if source:
        parser = StreamParser(source.dialect, shape=source.pointers, end=source.end)
    recorded = file.read()
    size = cut or max(len(recorded), 1)
    parsed = [parser.feed(recorded[start : start + size])[0] for start in range(0, len(recorded), size)]
    events = [event for part in [*parsed, parser.eof()[0]] for event in part]
    for event in events:
        click.echo(_line(event, as_json))
    raise SystemExit(int(isinstance(events[-1], Error)))


@main.command(epilog="\b\nExample:\n  sidecar demo --backend http://127.0.0.1:11434 --report demo-report")
@click.option("--backend", metavar="URL", help="An OpenAI-compatible server of yours.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Leave timings and a picture here.",
)
def demo(backend: str | None, report: Path | None) -> None:
    """Play the main job live, on an embedded backend or yours.

    Exit code 1 if a scene did not show what it should.
    """
    from sidecar.tools import demo

    raise SystemExit(demo.main(backend, report, sys.stdin.isatty()))


def _upstream(config: Path, name: str) -> "Upstream":
    """The upstream of that name in the file, or its first."""
    from sidecar.proxy.reload import Source

    upstreams = {upstream.name: upstream for upstream in _load(Source(config)).config.upstreams}
    if name and name not in upstreams:
        raise click.UsageError(f"{config} has no upstream {name}; it has: {', '.join(upstreams)}")
    return upstreams[name or next(iter(upstreams))]


def _load(source: "Source") -> "Rules":
    """The rules, or their problems on standard error and the end: 2 if the flags alone are to blame, else 1."""
    from sidecar.policy.document import Invalid

    try:
        return source.load()
    except Invalid as error:
        click.echo(str(error), err=True)
        raise SystemExit(2 if all(problem.where.startswith("--") for problem in error.problems) else 1) from None


def _promise(rules: "Rules") -> str:
    """What clients will get from the built-in rules."""
    config = rules.config
    given = {
        "auto": "the path of a known API (/v1/chat/completions, /v1/messages, /api/chat ...) keeps that API's format,"
        " every other one gets envelope-v1",
        "passthrough": "every client gets the backend's own format, unless it asks for another",
    }
    format = config.defaults.format
    return f"{config.upstreams[0].url}: {given.get(format, f'every client gets {format}, unless it asks for another')}."


def _facts(path: str, method: str | None, headers: tuple[str, ...], body: str) -> "Facts":
    """The request as rules see it."""
    from sidecar.policy import streams
    from sidecar.policy.rules import Facts

    pairs = [_header(header) for header in headers]
    text = _body(body)
    method = (method or ("POST" if text else "GET")).upper()
    asked = streams.read_body(text)
    accept = next((value.decode("utf-8", "replace") for name, value in pairs if name == b"accept"), "")
    stream = streams.is_stream_request(method, path, accept, asked) and not streams.untouchable(dict(pairs), asked)
    return Facts(method, path, pairs, asked.model or streams.model_in_path(path), stream)


def _header(text: str) -> tuple[bytes, bytes]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"--header {text!r} is not 'Name: value'.")
    return name.strip().lower().encode("utf-8", "replace"), value.strip().encode("utf-8", "replace")


def _body(text: str) -> bytes:
    import msgspec

    try:
        body = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
        if body:
            msgspec.json.decode(body)
    except OSError as error:
        raise click.UsageError(f"--body {text}: {error.strerror}.") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise click.UsageError(f"--body is not JSON: {error}.") from None
    return body


def _line(event: "Event", as_json: bool) -> str:
    """An event as JSON, or as a word and what it says."""
    import msgspec

    if as_json:
        return msgspec.json.encode(event).decode()
    said = msgspec.to_builtins(event)
    return f"{said.pop('event'):<15} " + " ".join(f"{k}={msgspec.json.encode(v).decode()}" for k, v in said.items())


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _yaml(value: Any) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=200)


if __name__ == "__main__":
    main(prog_name="sidecar")
