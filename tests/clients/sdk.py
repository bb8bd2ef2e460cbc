"""Real clients, unchanged: each is a generator of `Piece`s that asks `url` and stops asking when it is closed."""

import json
import subprocess
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anthropic
import ollama
import openai
from google import genai

from tests.tools import alone, lacking, require

NODE = Path(__file__).with_name("node")
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather in a city"}
OPENAI_TOOL = {"type": "function", "function": WEATHER | {"parameters": CITY}}


class Question(NamedTuple):
    """What is asked of `model`; `tools` offers it get_weather(city), `more` is laid into the body."""

    model: str
    prompt: str = "Say something short."
    tools: bool = False
    more: dict[str, Any] = {}

    @property
    def messages(self) -> list[dict[str, str]]:
        """The prompt as most APIs want it."""
        return [{"role": "user", "content": self.prompt}]


class Piece(NamedTuple):
    """What one event of a client's stream says; `call` is (name, arguments' text), a fragment has no name."""

    text: str = ""
    reasoning: str = ""
    call: tuple[str, str] | None = None
    usage: tuple[int, int] | None = None


class Said(NamedTuple):
    """A whole answer: tool calls are (name, arguments), usage is (input, output) tokens."""

    text: str
    reasoning: str
    calls: list[tuple[str, Any]]
    usage: tuple[int, int] | None


Client = Callable[[str, Question], Generator[Piece, None, None]]


def said(pieces: Iterable[Piece]) -> Said:
    """The pieces put together."""
    everything = list(pieces)
    calls: list[list[str]] = []
    for name, arguments in (piece.call for piece in everything if piece.call):
        calls += [[name, ""]] if name else []
        calls[-1][1] += arguments
    text = "".join(piece.text for piece in everything)
    reasoning = "".join(piece.reasoning for piece in everything)
    usages = [piece.usage for piece in everything if piece.usage]
    parsed = [(name, json.loads(arguments)) for name, arguments in calls]
    return Said(text, reasoning, parsed, usages[-1] if usages else None)


def openai_python(url: str, question: Question) -> Generator[Piece, None, None]:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    call = openai_body(question._replace(more={})) | {"extra_body": question.more}
    with client, client.chat.completions.create(**call) as stream:
        for chunk in stream:
            yield from openai_pieces(chunk.to_dict(mode="json"))


def openai_node(url: str, question: Question) -> Generator[Piece, None, None]:
    script = [require("node", "apt install nodejs npm"), str(installed() / "openai.mjs"), url]
    with lines_of([*script, json.dumps(openai_body(question))]) as lines:
        for line in lines:
            yield from openai_pieces(json.loads(line))


def anthropic_python(url: str, question: Question) -> Generator[Piece, None, None]:
    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    tools = [WEATHER | {"input_schema": CITY}] if question.tools else anthropic.omit
    asked = {"model": question.model, "messages": question.messages, "max_tokens": 8192}
    with client, client.messages.stream(**asked, tools=tools, extra_body=question.more) as stream:
        for event in stream:
            if event.type == "text":
                yield Piece(text=event.text)
            elif event.type == "thinking":
                yield Piece(reasoning=event.thinking)
            elif event.type == "content_block_stop" and event.content_block.type == "tool_use":
                yield Piece(call=(event.content_block.name, json.dumps(event.content_block.input)))
            elif event.type == "message_stop":
                yield Piece(usage=(event.message.usage.input_tokens, event.message.usage.output_tokens))


def ollama_python(url: str, question: Question) -> Generator[Piece, None, None]:
    tools = [OPENAI_TOOL] if question.tools else None
    client = ollama.Client(url)
    call = {"model": question.model, "messages": question.messages, "tools": tools, "stream": True}
    with client, closing(client.chat(**call, **question.more)) as stream:
        for part in stream:
            for call in part.message.tool_calls or []:
                yield Piece(call=(call.function.name, json.dumps(call.function.arguments)))
            usage = (part.prompt_eval_count or 0, part.eval_count or 0) if part.done else None
            yield Piece(part.message.content or "", part.message.thinking or "", usage=usage)


def google_python(url: str, question: Question) -> Generator[Piece, None, None]:
    declared = [{"function_declarations": [WEATHER | {"parameters": CITY}]}] if question.tools else []
    config = {"tools": declared, "automatic_function_calling": {"disable": True}, **question.more}
    client = genai.Client(api_key="none", http_options={"base_url": url})
    call = {"model": question.model, "contents": question.prompt, "config": config}
    with client, closing(client.models.generate_content_stream(**call)) as stream:
        for answer in stream:
            for part in answer.candidates[0].content.parts or []:
                if part.function_call:
                    yield Piece(call=(part.function_call.name, json.dumps(part.function_call.args)))
                elif part.text:
                    yield Piece(reasoning=part.text) if part.thought else Piece(text=part.text)
            usage = answer.usage_metadata
            yield Piece(usage=(usage.prompt_token_count or 0, usage.candidates_token_count or 0))


def curl(url: str, question: Question) -> Generator[Piece, None, None]:
    """A person's curl, who reads the chunks of OpenAI's format or the envelope, whichever comes."""
    for event in curled(f"{url}/v1/chat/completions", openai_body(question)):
        yield from envelope_pieces(event) if "data" in event else openai_pieces(event)


def curled(url: str, body: dict[str, Any], *options: str) -> Generator[dict[str, Any], None, None]:
    """The JSON of each `data:` line that curl prints."""
    command = [require("curl", "apt install curl"), "--silent", "--no-buffer", "--fail-with-body", *options, url]
    with lines_of([*command, "--json", json.dumps(body)]) as lines:
        yield from (json.loads(line[6:]) for line in lines if line.startswith("data: {"))


CLIENTS: dict[str, Client] = {
    "openai-python": openai_python,
    "openai-node": openai_node,
    "anthropic-python": anthropic_python,
    "ollama-python": ollama_python,
    "google-genai-python": google_python,
    "curl": curl,
}


def openai_body(question: Question) -> dict[str, Any]:
    """A chat completion request for a stream with its usage."""
    asked = {"model": question.model, "messages": question.messages}
    tools = {"tools": [OPENAI_TOOL]} if question.tools else {}
    return asked | tools | {"stream": True, "stream_options": {"include_usage": True}} | question.more


def openai_pieces(chunk: dict[str, Any]) -> Iterator[Piece]:
    for choice in chunk["choices"]:
        delta = choice["delta"]
        yield Piece(delta.get("content") or "", delta.get("reasoning_content") or "")
        for call in delta.get("tool_calls") or []:
            yield Piece(call=(call["function"].get("name", ""), call["function"].get("arguments") or ""))
    if usage := chunk.get("usage"):
        yield Piece(usage=(usage["prompt_tokens"], usage["completion_tokens"]))


def envelope_pieces(event: dict[str, Any]) -> Iterator[Piece]:
    match event:
        case {"type": "chunk", "data": {"content": text}}:
            yield Piece(text)
        case {"type": "status", "data": {"message": "reasoning", "content": text}}:
            yield Piece(reasoning=text)
        case {"type": "status", "data": {"message": "tool_call", "tool_call": call}}:
            yield Piece(call=(call["name"], json.dumps(call["arguments"])))
        case {"type": "complete", "data": {"usage": usage}}:
            yield Piece(usage=(usage["input_tokens"], usage["output_tokens"]))


@contextmanager
def lines_of(command: list[str]) -> Iterator[Iterator[str]]:
    """The lines a program prints, as they come; left early it gets SIGTERM."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        try:
            yield iter(program.stdout.readline, "")
        finally:
            program.terminate()
            program.communicate()


def installed() -> Path:
    """The folder of the JavaScript clients, after `npm ci` where that has not been done for this lock file."""
    lock, done = NODE / "package-lock.json", NODE / "node_modules" / ".package-lock.json"
    with alone("node"):
        if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
            npm = [require("npm", "apt install nodejs npm"), "ci", "--no-audit", "--no-fund"]
            run = subprocess.run(npm, cwd=NODE, capture_output=True, text=True)
            if run.returncode:
                lacking("openai from npm", run.stderr)
    return NODE
