"""Programs that people run in a terminal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.clients.programs import installed
from tests.clients.programs.program import Question, Told, finished


def codex(question: Question, folder: Path, env: Mapping[str, str]) -> Told:
    """OpenAI's Codex on the Responses API, without its second and further tries."""
    tries = "request_max_retries=0, stream_max_retries=0"
    provider = f'{{name="fake", base_url="{question.url}/v1", env_key="KEY", wire_api="responses", {tries}}}'
    settings = ["-c", "model_provider=fake", "-c", f"model_providers.fake={provider}", "-m", question.model]
    freely = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    command = [str(installed.npm() / ".bin" / "codex"), "exec", "--json", *freely, *settings, question.prompt]
    run = finished(command, folder, {**env, "KEY": "none"})
    events = objects(run.stdout)
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    text = "".join(item["text"] for item in items if item["type"] == "agent_message")
    failed = [event["error"]["message"] for event in events if event["type"] == "turn.failed"]
    return Told(text, "".join(failed) or exit_code(run.returncode))


def claude_code(question: Question, folder: Path, env: Mapping[str, str]) -> Told:
    """Anthropic's Claude Code, without its second try and without asking for the answer whole instead."""
    once = {"CLAUDE_CODE_MAX_RETRIES": "0", "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1"}
    alone = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1"}
    backend = {"ANTHROPIC_BASE_URL": question.url, "ANTHROPIC_API_KEY": "none"}
    (program,) = installed.npm().glob("@anthropic-ai/claude-code-*/claude")
    settings = ["--output-format", "json", "--allowedTools=Bash", "--model", question.model]
    run = finished([str(program), "-p", *settings, question.prompt], folder, {**env, **once, **alone, **backend})
    (result,) = objects(run.stdout)
    if result["is_error"]:
        return Told("", result["result"])
    return Told(result["result"], exit_code(run.returncode))


def gemini_cli(question: Question, folder: Path, env: Mapping[str, str]) -> Told:
    """Google's gemini-cli, without its second try."""
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False, "maxAttempts": 1},
        "privacy": {"usageStatisticsEnabled": False},
    }
    (kept := Path(env["HOME"], ".gemini")).mkdir()
    (kept / "settings.json").write_text(json.dumps(settings))
    backend = {"GOOGLE_GEMINI_BASE_URL": question.url, "GEMINI_API_KEY": "none", "GEMINI_CLI_TRUST_WORKSPACE": "true"}
    program = str(installed.npm() / ".bin" / "gemini")
    command = [program, "--output-format", "stream-json", "-m", question.model, "-p", question.prompt]
    run = finished(command, folder, {**env, **backend})
    events = objects(run.stdout)
    text = "".join(event["content"] for event in events if event.get("role") == "assistant")
    failed = [event for event in events if event["type"] == "error" or event.get("status") == "error"]
    return Told(text, json.dumps(failed) if failed else exit_code(run.returncode))


def objects(output: str) -> list[dict[str, Any]]:
    """The JSON of each line that has one."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def exit_code(code: int) -> str:
    return f"exit code {code}" if code else ""
