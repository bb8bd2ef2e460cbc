"""The commands, as a person types them: what they print, where, and the exit code."""

import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from sidecar import __version__
from sidecar.__main__ import main
from sidecar.stream.events import AnyEvent
from tests.sidecar_process import SidecarProcess

ROOT = Path(__file__).parents[1]
EXAMPLE = str(ROOT / "config" / "examples" / "first.yaml")
COMMANDS = ["serve", "check", "explain", "schema", "decode", "demo"]
OPENAI = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
DONE = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def run(*arguments: str, input: bytes | None = None) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="sidecar", input=io.BytesIO(input or b""))


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_fits_a_screen_and_ends_with_examples(command: Sequence[str], flag: str) -> None:
    result = run(*command, flag)
    lines = result.stdout.rstrip().splitlines()
    assert result.exit_code == 0
    assert len(lines) < 24 and max(map(len, lines)) <= 80
    assert lines[-1].startswith("    sidecar ")
    assert "..." not in "".join(lines[1:]).replace("/...", "").replace("COMMAND [ARGS]...", "")


def test_help_lists_the_commands_and_the_exit_codes() -> None:
    help = run("--help").stdout
    assert all(f"  {command} " in help for command in COMMANDS)
    assert "Exit codes: 0 well, 1 the file or the check is bad, 2 wrong use." in help


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom sidecar.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "print({'uvicorn', 'httpx2', 'opentelemetry', 'msgspec', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "set()"


def test_version() -> None:
    assert run("--version").stdout == f"sidecar {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["check"],
        ["schema", "cobol"],
        ["decode", "/nowhere"],
        ["decode", EXAMPLE, "--cut", "0"],
        ["decode", EXAMPLE, "--dialect", "ollma"],
        ["explain", EXAMPLE, "--header", "no colon"],
        ["explain", EXAMPLE, "--body", "{"],
        ["explain", EXAMPLE, "--body", "@/nowhere"],
        ["serve", "--workers", "2"],
        ["serve", "--config", EXAMPLE, "--upstream", "http://a"],
        ["serve", "--listen", "9900"],
        ["serve", "--upstream", "localhost"],
        ["serve", "--format", "envelop-v1"],
        ["serve", "--dialect", "cobol"],
    ],
)
def test_wrong_use_is_2_and_says_why(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr and not result.stdout


def test_workers_are_refused_with_the_reason() -> None:
    assert "One process is one core: scale by replicas." in run("serve", "--workers", "4").stderr


def test_check_of_a_good_file() -> None:
    result = run("check", EXAMPLE)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{EXAMPLE}: good; 1 upstream(s), 3 rule(s)\n", "")


def test_check_of_a_bad_file_prints_every_problem(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("version: 1\nupstreams: { a: { url: b } }\nlistn: a:1\n")
    result = run("check", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"{path}:2:24: url: b is not a URL; write http://HOST:PORT, https://HOST:PORT or unix:///PATH",
        f"{path}:3:1: unknown key listn; did you mean listen?",
    ]


@pytest.mark.parametrize("arguments", [["check", "/nowhere.yaml"], ["serve", "--config", "/nowhere.yaml"]])
def test_a_file_that_is_not_there_is_1(arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (1, "/nowhere.yaml: cannot be read: No such file or directory\n")


@pytest.mark.parametrize(
    ("arguments", "rule", "stream", "model", "method"),
    [
        (["--header", "X-Stainless-Lang: js"], "SDK clients keep their own format", False, "", "GET"),
        (["--header", "user-agent: an iPad: new"], "mobile Safari", False, "", "GET"),
        (
            ["--path", "/v1/chat/completions", "--body", '{"model":"o3","stream":true}'],
            "reasoning models think for long",
            True,
            "o3",
            "POST",
        ),
        (["--path", "/v1/chat/completions", "--body", '{"model":"gpt-5"}'], "default", False, "gpt-5", "POST"),
        (["--path", "/api/chat", "--body", '{"model":"q"}'], "default", True, "q", "POST"),
        (
            ["--path", "/v1beta/models/gemini-3:streamGenerateContent", "--body", "{}"],
            "default",
            True,
            "gemini-3",
            "POST",
        ),
        (["--header", "Accept: text/event-stream"], "default", True, "", "GET"),
        (["--method", "put", "--body", '{"jsonrpc":"2.0","stream":true}'], "default", False, "", "PUT"),
    ],
)
def test_explain(arguments: list[str], rule: str, stream: bool, model: str, method: str) -> None:
    result = run("explain", EXAMPLE, *arguments)
    said = yaml.safe_load(result.stdout)
    assert result.exit_code == 0
    assert (said["rule"], said["upstreams"]) == (rule, ["backend"])
    request = said["request"]
    assert (request["stream"], request["model"], request["method"]) == (stream, model, method)
    assert json.loads(run("explain", EXAMPLE, *arguments, "--json").stdout) == said


def test_explain_gives_the_whole_policy_in_the_words_of_the_file(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"model": "o1", "stream": true}')
    result = run("explain", EXAMPLE, "--path", "/v1/chat/completions", "--body", f"@{body}", "--json")
    said = json.loads(result.stdout)
    assert said["route"] == "/v1/chat/completions"
    assert said["policy"]["ping"] == {"interval": "5s", "shape": "auto"}
    assert said["policy"]["timeouts"]["first_token"] == "600s"
    assert said["policy"]["format"] == "envelope-v1"


def test_explain_without_a_file_is_about_the_built_in_rules() -> None:
    said = yaml.safe_load(run("explain", "--path", "/api/chat", "--body", "{}").stdout)
    assert (said["rule"], said["policy"]["format"], said["format"]) == ("default", "auto", "passthrough")


EXPLAINED = [
    ("/v1/chat/completions", [], "passthrough", "of openai-chat; an answer in another dialect leaves as openai"),
    ("/v1/messages", [], "passthrough", "the path of anthropic"),
    ("/generate", [], "envelope-v1", "may be the path of sglang: an answer in that dialect leaves as it is"),
    ("/ask", [], "envelope-v1", "the path of no known API"),
    ("/ask", ["--header", "X-Stream-Format: openai"], "openai", "the client asks for it"),
    ("/ask", ["--header", "X-Stream-Format: opnai"], "none", "the client is answered 406: no stream format 'opnai'"),
]


@pytest.mark.parametrize(("path", "more", "format", "why"), EXPLAINED)
def test_explain_says_which_format_and_why(path: str, more: list[str], format: str, why: str) -> None:
    said = yaml.safe_load(run("explain", "--path", path, "--body", "{}", *more).stdout)
    assert said["format"] == format and why in said["why"]


def test_explain_says_so_where_a_rule_does() -> None:
    said = yaml.safe_load(run("explain", EXAMPLE, "--path", "/v1/chat/completions", "--body", "{}").stdout)
    assert (said["format"], said["why"]) == ("envelope-v1", f"the policy of '{said['rule']}' says so")


def test_explain_of_a_bad_file_is_1(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("[]")
    assert run("explain", str(path)).exit_code == 1


@pytest.mark.parametrize("name", ["config", "envelope-v1", "envelope-v2"])
def test_schema(name: str) -> None:
    printed = json.loads(run("schema", name).stdout)
    jsonschema.validators.validator_for(printed).check_schema(printed)


def decoded(*arguments: str) -> list[AnyEvent]:
    lines = run("decode", *arguments, "--json").stdout.splitlines()
    return [msgspec.json.decode(line, type=AnyEvent) for line in lines]


@pytest.mark.parametrize("cut", [[], ["--cut", "1"], ["--cut", "7"], ["--cut", "9999"]])
def test_decode_does_not_depend_on_the_cut(tmp_path: Path, cut: list[str]) -> None:
    path = tmp_path / "answer.sse"
    path.write_bytes(OPENAI * 3 + DONE)
    events = [type(event).__name__ for event in decoded(str(path), *cut)]
    assert events == ["Start", "TextDelta", "TextDelta", "TextDelta", "Finish", "End"]
    assert decoded(str(path), *cut) == decoded(str(path), "--dialect", "openai-chat")


def test_decode_prints_a_line_an_event() -> None:
    result = run("decode", "-", input=OPENAI + DONE)
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["start"],
        ["text", 'text="Hi"'],
        ["finish", 'reason="stop"', 'raw="stop"'],
        ["end"],
    ]


@pytest.mark.parametrize("input", [OPENAI, b"", b"\xff\x00{"])
def test_decode_of_a_stream_that_ends_in_an_error_is_1(input: bytes) -> None:
    result = run("decode", "-", "--dialect", "openai-chat", input=input)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith("error ")


def test_serve_says_what_clients_get() -> None:
    with SidecarProcess("http://127.0.0.1:9") as sidecar:
        sidecar.line(
            lambda line: line.startswith(
                "http://127.0.0.1:9: the path of a known API (/v1/chat/completions, /v1/messages"
            )
        )
        listening = sidecar.told(event="listening")
        assert (listening["config"], listening["format"]) == ("built-in", "auto")


def test_serve_says_so_when_everybody_keeps_the_backends_format() -> None:
    with SidecarProcess("http://127.0.0.1:9", "--format", "passthrough") as sidecar:
        sidecar.line(lambda line: "every client gets the backend's own format" in line)


def test_serve_without_a_file_survives_sighup() -> None:
    with SidecarProcess("http://127.0.0.1:9") as sidecar:
        os.kill(sidecar.child.pid, signal.SIGHUP)
        with urllib.request.urlopen(f"{sidecar.admin}/livez") as answer:
            assert answer.status == 200
        assert sidecar.child.poll() is None


def test_serve_follows_its_file(tmp_path: Path) -> None:
    path = tmp_path / "sidecar.yaml"
    path.write_text("version: 1\nupstreams: { a: { url: http://127.0.0.1:9 } }\n")
    with SidecarProcess(None, "--config", str(path)) as sidecar:
        path.write_text("version: 1\nupstreams: { a: { url: http://127.0.0.1:8 } }\n")
        os.kill(sidecar.child.pid, signal.SIGHUP)
        assert sidecar.told(event="config_reloaded")["file"] == str(path)
        path.write_text("version: 2\n")
        problems = sidecar.told(event="config_refused")["problems"]
        assert problems[0] == f"{path}:1:1: the file: upstreams is missing"


def test_serve_on_an_address_in_use_says_so() -> None:
    with SidecarProcess("http://127.0.0.1:9") as sidecar:
        taken = sidecar.url.removeprefix("http://")
        command = [sys.executable, "-m", "sidecar", "serve", "--listen", taken, "--admin", "127.0.0.1:0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        assert f"Error: cannot listen on {taken}: Address already in use; see --listen and --admin" in done.stderr
        assert "Traceback" not in done.stderr


def test_decode_reads_a_recording_as_an_upstream_of_a_file_would(tmp_path: Path) -> None:
    config = tmp_path / "sidecar.yaml"
    config.write_text(
        "version: 1\n"
        "upstreams:\n"
        "  plain: { url: 'http://127.0.0.1:1' }\n"
        "  odd: { url: 'http://127.0.0.1:1', pointers: { text: /a/b, done: /fin, output_tokens: /n } }\n"
    )
    recording = tmp_path / "answer.sse"
    recording.write_text('data: {"a":{"b":"Hel"}}\n\ndata: {"a":{"b":"lo"}}\n\ndata: {"fin":true,"n":2}\n\n')
    said = CliRunner().invoke(main, ["decode", str(recording), "--config", str(config), "--upstream", "odd", "--json"])
    assert said.exit_code == 0
    events = [json.loads(line) for line in said.output.splitlines()]
    assert [event["text"] for event in events if event["event"] == "text"] == ["Hel", "lo"]
    assert [event["output_tokens"] for event in events if event["event"] == "usage"] == [2]
    assert events[-1]["event"] == "end"


@pytest.mark.parametrize(("end", "code"), [("auto", 1), ("body", 0)])
def test_decode_ends_with_the_recording_where_its_upstream_does(tmp_path: Path, end: str, code: int) -> None:
    config = tmp_path / "sidecar.yaml"
    config.write_text(f"version: 1\nupstreams: {{ a: {{ url: 'http://127.0.0.1:1', end: {end} }} }}\n")
    recording = tmp_path / "answer.sse"
    recording.write_text('data: {"content":"Hello"}\n\n')
    assert CliRunner().invoke(main, ["decode", str(recording), "--config", str(config)]).exit_code == code


def test_decode_says_which_upstreams_a_file_has(tmp_path: Path) -> None:
    config = tmp_path / "sidecar.yaml"
    config.write_text("version: 1\nupstreams: { one: { url: 'http://127.0.0.1:1' } }\n")
    said = CliRunner().invoke(main, ["decode", str(config), "--config", str(config), "--upstream", "two"])
    assert said.exit_code == 2 and "has no upstream two; it has: one" in said.output
