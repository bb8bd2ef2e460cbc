"""Programs that people really put before a backend: agents for a terminal, and libraries in programs of ours."""

from functools import partial

from tests.clients import golang
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


CUT, IN_BAND = frozenset({"cut"}), frozenset({"error"})


def python(name: str) -> list[str]:
    return [str(installed.python()), str(installed.SOURCES / "python" / "ask.py"), name]


def go(name: str) -> list[str]:
    return [str(golang.program("client-programs")), name]


def rust(name: str) -> list[str]:
    return [str(installed.rust()), name]


def java(name: str) -> list[str]:
    program, libraries = installed.java()
    return [program, "-classpath", f"{libraries}/*", str(installed.SOURCES / "java" / "Ask.java"), name]


PROGRAMS: dict[str, Program] = {
    "codex": agent(agents.codex, wish='Call exec_command with {"cmd": "cat note.txt"}'),
    "claude-code": agent(agents.claude_code, wish='Call Bash with {"command": "cat note.txt"}'),
    "gemini-cli": agent(agents.gemini_cli, wish='Call read_file with {"file_path": "note.txt"}'),
    **{name: library(partial(python, name)) for name in PYTHON},
    "go-openai": library(partial(go, "go-openai"), quick=True),
    "langchaingo-openai": library(partial(go, "langchaingo-openai"), deceived=IN_BAND, quick=True),
    "langchaingo-anthropic": library(partial(go, "langchaingo-anthropic"), quick=True),
    "langchaingo-ollama": library(partial(go, "langchaingo-ollama"), deceived=CUT, wish="", quick=True),
    "ollama-go": library(partial(go, "ollama-go"), deceived=CUT, quick=True),
    "async-openai-chat": library(partial(rust, "async-openai-chat")),
    "async-openai-responses": library(partial(rust, "async-openai-responses")),
    "langchain4j-openai": library(partial(java, "langchain4j-openai"), deceived=IN_BAND),
    "langchain4j-responses": library(partial(java, "langchain4j-responses")),
    "langchain4j-anthropic": library(partial(java, "langchain4j-anthropic")),
    "langchain4j-gemini": library(partial(java, "langchain4j-gemini"), deceived=IN_BAND),
}
