"""A new format for a share of the clients, which turns itself off where too many of its streams fail."""

import pytest

from sidecar.policy.rollout import LEAST
from tests.proxy.speech import OPENAI, ask
from tests.wire.backend import Talk
from tests.wire.house import House
from tests.wire.message import END, answer, request

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("transport")]

ROLLOUT = "rollout: { format: envelope-v2, percent: 100, abort: { failure_rate: 50%, window: 5m } }"
CONFIG = f"defaults: {{ format: envelope-v1, {ROLLOUT} }}"


async def test_it_turns_itself_off_by_the_streams_that_fail_until_the_next_reload() -> None:
    failing = True

    async def script(talk: Talk) -> None:
        if talk.asked.first[0] == b"GET":
            await talk.send(answer(b"{}"))
        elif failing:
            await talk.stream(OPENAI[0])
            talk.close()
        else:
            await talk.stream(*OPENAI)
            await talk.send(END)

    async with House(script, CONFIG, errors=1) as house:
        for _ in range(2 * LEAST):  # of another kind, so they dilute nothing
            assert (await house.ask(request("GET", "/models"))).status == 200
        for _ in range(LEAST):
            assert (await house.ask(ask())).get("x-stream-format") == "envelope-v2"
        assert (await house.told("rollout_aborted"))["format"] == "envelope-v2"
        failing = False
        assert (await house.ask(ask())).get("x-stream-format") == "envelope-v1"
        await house.sidecar.swap(house.rules(CONFIG))
        assert (await house.ask(ask())).get("x-stream-format") == "envelope-v2"
