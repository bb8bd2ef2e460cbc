"""A Location that names the backend's own address is one of the address that the client called."""

import pytest

from tests.wire.backend import Script, Talk
from tests.wire.house import House
from tests.wire.message import answer, request

pytestmark = pytest.mark.anyio


def moved(to: str, name: str = "Location") -> Script:
    async def script(talk: Talk) -> None:
        there = to.replace("$OWN", f"http://{talk.asked.get('host')}")
        await talk.send(answer(b"", "text/plain", f"{name}: {there}", status=307))

    return script


@pytest.mark.parametrize("name", ["Location", "Content-Location"])
@pytest.mark.parametrize(
    ("to", "seen"),
    [
        ("$OWN/v1/", "http://chat.example:8/v1/"),
        ("$OWN", "http://chat.example:8"),
        ("$OWN?a=b", "http://chat.example:8?a=b"),
        ("$OWN0/v1", "$OWN0/v1"),
        ("/v1/", "/v1/"),
        ("https://other.example/v1", "https://other.example/v1"),
    ],
)
async def test_only_the_backend_s_own_address_is_rewritten(to: str, seen: str, name: str) -> None:
    async with House(moved(to, name)) as house:
        reply = await house.ask(request("GET", "/v1").replace(b"example.test", b"chat.example:8"))
        own = f"http://127.0.0.1:{house.backend.port}"
        assert (reply.status, reply.get(name.lower())) == (307, seen.replace("$OWN", own))


async def test_a_proxy_before_us_says_what_the_client_called() -> None:
    async with House(moved("$OWN/v1")) as house:
        lines = ("X-Forwarded-Proto: https", "X-Forwarded-Host: chat.example")
        assert (await house.ask(request("GET", "/", *lines))).get("location") == "https://chat.example/v1"


async def test_a_rule_may_keep_it() -> None:
    async with House(moved("$OWN/v1"), "defaults: { redirects: keep }") as house:
        reply = await house.ask(request("GET", "/"))
        assert reply.get("location") == f"http://127.0.0.1:{house.backend.port}/v1"
