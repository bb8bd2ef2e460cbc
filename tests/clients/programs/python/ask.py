"""`python ask.py CLIENT QUESTION...` prints `{"text": what came, "error": how it failed}` for each, a line."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

NAME, SAYS = "get_weather", "The weather in a city"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOL = {"type": "function", "function": {"name": NAME, "description": SAYS, "parameters": CITY}}


class Question(NamedTuple):
    """`tools` offers get_weather, whose result is told in a second request."""

    url: str
    model: str
    prompt: str
    tools: bool = False


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"fog at 7 degrees in {city}"


def huggingface_hub(question: Question) -> Iterator[str]:
    from huggingface_hub import InferenceClient

    client = InferenceClient(base_url=f"{question.url}/v1", api_key="none")
    messages: list[Any] = [{"role": "user", "content": question.prompt}]
    while messages[-1]["role"] != "assistant":
        call: dict[str, Any] = {"name": "", "arguments": ""}
        tools = [OPENAI_TOOL] if question.tools else None
        for chunk in client.chat_completion(messages, model=question.model, tools=tools, stream=True):
            delta = chunk.choices[0].delta
            yield delta.content or ""
            for part in delta.tool_calls or []:
                call = {
                    "id": part.id or call["id"],
                    "name": call["name"] + (part.function.name or ""),
                    "arguments": call["arguments"] + (part.function.arguments or ""),
                }
        messages.append({"role": "assistant", "content": ""})
        if call["name"]:
            asked = {"id": call["id"], "type": "function", "function": {"name": NAME, "arguments": call["arguments"]}}
            messages[-1]["tool_calls"] = [asked]
            said = get_weather(**json.loads(call["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": said})


def litellm(base: str, question: Question, provider: str) -> Iterator[str]:
    import litellm

    litellm.suppress_debug_info = True
    messages: list[Any] = [{"role": "user", "content": question.prompt}]
    common = {
        "model": f"{provider}/{question.model}",
        "api_base": base,
        "api_key": "none",
        "num_retries": 0,
        "stream": True,
    }
    while not isinstance(messages[-1], litellm.Message) or messages[-1].tool_calls:
        for call in getattr(messages[-1], "tool_calls", None) or []:
            said = get_weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": said})
        tools = [OPENAI_TOOL] if question.tools else None
        chunks = []
        for chunk in litellm.completion(messages=messages, tools=tools, num_retries=0, **common):
            chunks.append(chunk)
            yield (chunk.choices[0].delta.content or "") if chunk.choices else ""
        messages.append(litellm.stream_chunk_builder(chunks, messages=messages).choices[0].message)


def litellm_openai(question: Question) -> Iterator[str]:
    return litellm(f"{question.url}/v1", question, "openai")


def litellm_anthropic(question: Question) -> Iterator[str]:
    return litellm(question.url, question, "anthropic")


def litellm_ollama(question: Question) -> Iterator[str]:
    return litellm(question.url, question, "ollama_chat")


def langchain(chat: Any, question: Question) -> Iterator[str]:
    from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage

    asked = chat.bind_tools([get_weather]) if question.tools else chat
    messages: list[Any] = [HumanMessage(question.prompt)]
    while not isinstance(messages[-1], AIMessageChunk):
        whole = None
        for chunk in asked.stream(messages):
            yield chunk.text
            whole = chunk if whole is None else whole + chunk
        messages.append(whole)
        for call in whole.tool_calls:
            messages.append(ToolMessage(get_weather(**call["args"]), tool_call_id=call["id"]))


def langchain_openai(question: Question, **more: Any) -> Iterator[str]:
    from langchain_openai import ChatOpenAI

    chat = ChatOpenAI(base_url=f"{question.url}/v1", model=question.model, api_key="none", max_retries=0, **more)
    return langchain(chat, question)


def langchain_responses(question: Question) -> Iterator[str]:
    return langchain_openai(question, use_responses_api=True)


def langchain_anthropic(question: Question) -> Iterator[str]:
    from langchain_anthropic import ChatAnthropic

    return langchain(
        ChatAnthropic(base_url=question.url, model=question.model, api_key="none", max_retries=0), question
    )


def langchain_ollama(question: Question) -> Iterator[str]:
    from langchain_ollama import ChatOllama

    return langchain(ChatOllama(base_url=question.url, model=question.model), question)


def pydantic_ai(model: Any, question: Question) -> Iterator[str]:
    from pydantic_ai import Agent

    async def answer() -> list[str]:
        agent = Agent(model, tools=[get_weather] if question.tools else [], retries=0)
        async with agent.run_stream(question.prompt) as run:
            return [piece async for piece in run.stream_text(delta=True, debounce_by=None)]

    yield from asyncio.run(answer())


def pydantic_ai_openai(question: Question) -> Iterator[str]:
    from pydantic_ai.models.openai import OpenAIChatModel

    return pydantic_ai(OpenAIChatModel(question.model, provider=openai_provider(question)), question)


def pydantic_ai_responses(question: Question) -> Iterator[str]:
    from pydantic_ai.models.openai import OpenAIResponsesModel

    return pydantic_ai(OpenAIResponsesModel(question.model, provider=openai_provider(question)), question)


def openai_provider(question: Question) -> Any:
    from openai import AsyncOpenAI
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{question.url}/v1", api_key="none", max_retries=0))


def pydantic_ai_anthropic(question: Question) -> Iterator[str]:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(base_url=question.url, api_key="none", max_retries=0)
    return pydantic_ai(AnthropicModel(question.model, provider=AnthropicProvider(anthropic_client=client)), question)


def told(client: Callable[[Question], Iterator[str]], question: Question) -> dict[str, str]:
    """What came of it, whatever the library raises."""
    text = ""
    try:
        for piece in client(question):
            text += piece
    except Exception as error:
        return {"text": text, "error": f"{type(error).__name__}: {error}"}
    return {"text": text, "error": ""}


if __name__ == "__main__":
    for asked in sys.argv[2:]:
        answer = told(globals()[sys.argv[1].replace("-", "_")], Question(**json.loads(asked)))
        print(json.dumps(answer), flush=True)
