"""Programs that people really put before a backend: agents for a terminal, and libraries in programs of ours."""

from functools import partial

from tests.clients.programs import agents, installed
from tests.clients.programs.program import Program, agent, library

PYTHON = (
    "huggingface-hub",
    "litellm-openai",
    "litellm-anthropic",
    "litellm-ollama",
    "langchain-openai",
    "langchain-responses",
    "langchain-anthropic",
    "langchain-ollama",
    "pydantic-ai-openai",
    "pydantic-ai-responses",
    "pydantic-ai-anthropic",
)


def python(name: str) -> list[str]:
    return [str(installed.python()), str(installed.SOURCES / "python" / "ask.py"), name]


PROGRAMS: dict[str, Program] = {
    "codex": agent(agents.codex, wish='Call exec_command with {"cmd": "cat note.txt"}'),
    "claude-code": agent(agents.claude_code, wish='Call Bash with {"command": "cat note.txt"}'),
    "gemini-cli": agent(agents.gemini_cli, wish='Call read_file with {"file_path": "note.txt"}'),
    **{name: library(partial(python, name)) for name in PYTHON},
}
