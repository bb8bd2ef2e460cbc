"""The pages say what is true: their links, commands, configurations, frames, metrics and tables."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from sidecar.__main__ import main
from sidecar.policy.outcome import OUTCOMES
from sidecar.stream import dialects, wires
from sidecar.telemetry import names

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(p for d in ("config", "charts", "runbook") for p in (ROOT / d).rglob("*.md"))])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text()) if found == language]


def sidecar(*args: str) -> str:
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    return result.output


def check(text: str, folder: Path) -> None:
    file = folder / "sidecar.yaml"
    file.write_text(text)
    sidecar("check", str(file))


def commands(page: Path, program: str) -> Iterator[list[str]]:
    """The words after `program` wherever the page calls it: in shell blocks, in sessions and in `inline code`."""
    text = page.read_text()
    lines = "\n".join([*blocks(page, "sh"), *blocks(page, "")]).replace("\\\n", " ").splitlines()
    for call in [*lines, *re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))]:
        words = shlex.split(call, comments=True) if call.startswith((f"{program} ", f"$ {program} ")) else []
        yield from [words[words.index(program) + 1 :]] if words else []


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`((?:sidecar|tests|config|charts|runbook)/[\w./-]+)`", page.read_text())
    assert [path for path in named if "foo" not in path and not (ROOT / path).exists()] == []


@each_page
def test_commands_exist(page: Path) -> None:
    for words in commands(page, "sidecar"):
        if words[0].startswith("-"):
            continue
        command = main.commands[words[0]]
        known = {option for parameter in command.params for option in parameter.opts}
        used = {word.split("=")[0] for word in words[1:] if word.startswith("--")}
        assert used <= known | {"--help"}, f"sidecar {words[0]}: {used - known}"


@each_page
def test_explanations_are_what_is_printed(page: Path) -> None:
    for text in blocks(page, ""):
        call, _, printed = text.partition("\n")
        if call.startswith("$ sidecar explain"):
            assert sidecar(*shlex.split(call)[2:]).startswith(printed.removesuffix("...\n"))


@each_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {words[0] for words in commands(page, "make")}
    assert used <= targets


@each_page
def test_configurations_pass_the_check(page: Path, tmp_path: Path) -> None:
    for text in blocks(page, "yaml"):
        if text.startswith("version:"):
            check(text, tmp_path)


@each_page
def test_programs_run(page: Path) -> None:
    for text in blocks(page, "python"):
        exec(compile(text, str(page), "exec"), {"__name__": page.stem})


@each_page
def test_metrics_are_told(page: Path) -> None:
    told = {value.replace(".", "_") for value in vars(names).values() if str(value).startswith("sidecar.")}
    used = set(re.findall(r"\bsidecar_[a-z_]+", page.read_text())) - OUTCOMES.keys()
    assert [metric for metric in used if not any(metric.startswith(name) for name in told)] == []


def test_the_frames_of_the_readme_are_envelopes() -> None:
    schema = json.loads(sidecar("schema", "envelope-v1"))
    frames = re.findall(r"^data: (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {json.loads(frame)["type"] for frame in frames} == {"chunk", "status", "error", "complete"}
    for frame in frames:
        jsonschema.validate(json.loads(frame), schema)


def test_the_readme_names_every_dialect_and_format() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name for name in (*dialects.names(), *wires.NAMES) if name not in text] == []


def test_the_runbook_has_every_outcome_as_it_is() -> None:
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|", (ROOT / "runbook" / "README.md").read_text(), re.MULTILINE)
    told = {outcome: (code.strip().strip("`"), status.strip()) for outcome, code, status in rows}
    assert told == {name: (row.code, str(row.status)) for name, row in OUTCOMES.items()}


def test_the_pod_runs_what_exists(tmp_path: Path) -> None:
    (pod_text,) = [text for text in blocks(ROOT / "charts" / "README.md", "yaml") if "initContainers" in text]
    objects = {item["kind"]: item for item in yaml.safe_load_all(pod_text)}
    check(objects["ConfigMap"]["data"]["sidecar.yaml"], tmp_path)
    (container,) = objects["Pod"]["spec"]["initContainers"]
    assert container["restartPolicy"] == "Always"
    mount = container["volumeMounts"][0]["mountPath"]
    command, *arguments = [argument.replace(mount, str(tmp_path)) for argument in container["args"]]
    parent = click.Context(main, info_name="sidecar", **main.context_settings)
    assert main.commands[command].make_context(command, arguments, parent=parent).params["config"]
    ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
    config = yaml.safe_load((ROOT / "config" / "sidecar.yaml").read_text())
    assert [ports["llm"], ports["admin"]] == [config[key].rpartition(":")[2] for key in ("listen", "admin")]
    assert objects["Service"]["spec"]["ports"][0]["targetPort"] in ports


def test_setting_up_brings_every_program_that_tests_require() -> None:
    brought = re.search(r"^test:.*\n\t@\.ci/packages (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert brought
    required = {
        program
        for file in (ROOT / "tests").rglob("*.py")
        for program in re.findall(r"\brequire\(\"([\w-]+)\"", file.read_text())
    }
    by_wheel = {"node", "npm"}
    packages = {"golang-go" if program == "go" else program for program in required - by_wheel}
    assert packages and packages <= set(brought[1].split())


def test_the_map_names_every_part() -> None:
    (map_text, *_) = blocks(ROOT / "CONTRIBUTING.md", "")
    parts = {f"sidecar/{p.name}/" for p in (ROOT / "sidecar").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert parts == set(re.findall(r"^sidecar/\w+/", map_text, re.MULTILINE))


@each_page
def test_nobody_is_sent_to_a_stranger(page: Path) -> None:
    """`sidecar` on PyPI is somebody else's."""
    assert not re.search(r"pipx? install (--\S+ )*sidecar\b", page.read_text())
