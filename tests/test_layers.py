"""Imports go downwards only, the two pure layers stay pure, and the words that are banned stay out."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sidecar"

BELOW = {
    "stream": {"stream"},
    "policy": {"policy", "stream"},
    "telemetry": {"telemetry", "policy", "stream", ""},
    "proxy": {"proxy", "telemetry", "policy", "stream", ""},
}
"""What a layer may import of ours; "" is the package with its version. `tools` and `__main__` may import all."""

PURE = {"stream", "policy"}
PURE_IMPORTS = set(
    "msgspec yaml base64 binascii bisect codecs collections dataclasses difflib enum functools heapq importlib"
    " ipaddress itertools json math operator re string struct textwrap types typing urllib.parse zlib".split()
)
PURE_BANS = {"open", "print", "input", "exec", "eval", "__import__"}
PROXY_BANS = {"AsyncClient", "BaseHTTPMiddleware", "StreamingResponse"}
BROAD = {"Exception", "BaseException"}


def imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.level:
            return ["a relative import"]
        return [f"sidecar.{a.name}" for a in node.names] if node.module == "sidecar" else [node.module or ""]
    return []


def layer_of(module: str) -> str:
    """The layer of one of our modules: `sidecar.stream.events` is in `stream`, `sidecar` and its version in none."""
    name = module.split(".")[1] if "." in module else ""
    return "" if name.startswith("__version") else name


def allowed(layer: str, module: str) -> bool:
    if module.split(".")[0] == "sidecar":
        return layer not in BELOW or layer_of(module) in BELOW[layer]
    if module == "a relative import":
        return False
    return layer not in PURE or bool({module, module.split(".")[0]} & PURE_IMPORTS)


def names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    return [node.id] if isinstance(node, ast.Name) else []


def violations(layer: str, source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        yield from (f"{line}: imports {module}" for module in imports(node) if not allowed(layer, module))
        match node:
            case ast.AsyncFunctionDef() | ast.Await() if layer in PURE:
                yield f"{line}: awaits"
            case ast.Call(func=ast.Name(id=name)) if layer in PURE and name in PURE_BANS:
                yield f"{line}: calls {name}"
        if layer == "proxy":
            yield from (f"{line}: uses {name}" for name in names(node) if name in PROXY_BANS)


def broad_excepts(source: str) -> list[int]:
    """The lines that catch everything, by `except` or by `suppress`."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            caught = [n for child in ast.walk(node.type) for n in names(child)] if node.type else ["Exception"]
        elif isinstance(node, ast.Call) and names(node.func) == ["suppress"]:
            caught = [n for argument in node.args for n in names(argument)]
        else:
            continue
        if BROAD & set(caught):
            lines.append(node.lineno)
    return lines


def modules() -> dict[str, str]:
    return {str(path.relative_to(PACKAGE)): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def test_every_module_keeps_to_its_layer() -> None:
    found = modules()
    assert {"stream/events.py", "policy/outcome.py"} <= found.keys()
    broken = [f"sidecar/{path}:{v}" for path, source in found.items() for v in violations(path.split("/")[0], source)]
    assert broken == []


def test_everything_is_caught_at_two_edges_alone() -> None:
    """Where an exchange's task ends, and where the socket's read calls the relay."""
    places = [path for path, source in modules().items() for _ in broad_excepts(source)]
    assert places == ["proxy/exchange.py", "proxy/relay.py"]


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("stream", "from sidecar.policy.outcome import OUTCOMES"),
        ("stream", "from sidecar import policy"),
        ("stream", "import sidecar"),
        ("stream", "import asyncio"),
        ("stream", "from os import environ"),
        ("stream", "from .. import proxy"),
        ("stream", "async def f(): ..."),
        ("stream", "print(1)"),
        ("policy", "import sidecar.telemetry.names"),
        ("policy", "def f():\n    import time"),
        ("policy", "import logging"),
        ("policy", "import random"),
        ("policy", "open('rules.yaml')"),
        ("telemetry", "from sidecar.proxy import app"),
        ("proxy", "from sidecar.tools import demo"),
        ("proxy", "from starlette.responses import StreamingResponse"),
        ("proxy", "import httpx2\nhttpx2.AsyncClient()"),
        ("proxy", "from starlette.middleware import base\nclass A(base.BaseHTTPMiddleware): ..."),
    ],
)
def test_a_violation_is_seen(layer: str, source: str) -> None:
    assert list(violations(layer, source))


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("stream", "import re\nfrom sidecar.stream import events as ev"),
        ("policy", "from urllib.parse import urlsplit\nimport yaml\nfrom sidecar.stream import events"),
        ("telemetry", "import time\nfrom sidecar import __version__"),
        ("proxy", "import httpx2\nfrom sidecar.telemetry import life\nhttpx2.AsyncHTTPTransport()"),
        ("tools", "from sidecar.proxy import app\nimport asyncio"),
    ],
)
def test_what_is_allowed_passes(layer: str, source: str) -> None:
    assert list(violations(layer, source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "try: ...\nexcept Exception: ...",
        "try: ...\nexcept: ...",
        "try: ...\nexcept (ValueError, BaseException) as e: ...",
        "import contextlib\nwith contextlib.suppress(Exception): ...",
    ],
)
def test_catching_everything_is_seen(source: str) -> None:
    assert broad_excepts(source)


def test_catching_something_is_not_catching_everything() -> None:
    assert broad_excepts("try: ...\nexcept (OSError, ValueError): ...\nwith suppress(KeyError): ...") == []
