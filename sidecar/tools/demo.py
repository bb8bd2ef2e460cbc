"""`sidecar demo`: the main job, played for a person on an embedded backend or on their own, and checked."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2

from sidecar.tools import delivery, picture, stage
from sidecar.tools.fakellm import FakeLLM
from sidecar.tools.scenes import buffered, envelope, mixed, stop, thinking, tool
from sidecar.tools.scenes.cast import Cast
from sidecar.tools.show import Show, Verdict

Scene = Callable[[int, Cast, Show], Awaitable[Verdict]]

EMBEDDED: tuple[Scene, ...] = (mixed.play, buffered.play, thinking.play, tool.play, stop.play)
OWN: tuple[Scene, ...] = (envelope.play, buffered.play, stop.play_own)
PATIENCE = 60.0


def main(backend: str | None, report: Path | None, stay: bool) -> int:
    """Play; the exit code: 0 if every scene showed what it should, 1 if not, 130 if interrupted.

    `backend` is the URL of an OpenAI-compatible server, None for the embedded one; `report` is a folder for
    timestamps.json and deliveries.svg; `stay` keeps everything up afterwards until Ctrl-C.
    """
    try:
        return asyncio.run(run(backend, report, stay, Show()))
    except asyncio.CancelledError:
        return 130
    except (stage.Failed, httpx2.HTTPError) as failed:
        Show().say(f"The demo could not start: {failed}", "bad")
        return 1


async def run(backend: str | None, report: Path | None, stay: bool, show: Show) -> int:
    """Set up, play each scene, sum up."""
    playing = asyncio.current_task()
    assert playing
    on_signal(playing.cancel)
    async with AsyncExitStack() as stack:
        cast = await gather(backend, stack, show)
        verdicts = [await played(number, scene, cast, show) for number, scene in scenes(cast)]
        show.summary(verdicts)
        if report:
            leave_report(report, cast, show)
        if stay:
            await stay_up(cast, show)
    return int(any(verdict.state == "FAILED" for verdict in verdicts))


def on_signal(act: Callable[[], object]) -> None:
    """What Ctrl-C, a closed terminal and SIGTERM do from here on; our children are ended by us alone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, act)


async def gather(backend: str | None, stack: AsyncExitStack, show: Show) -> Cast:
    """Everybody on stage: the backend, the sidecar before it, nginx before that."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sidecar-demo-")))
    os.chmod(folder, 0o755)
    llm = (
        None
        if backend
        else await stack.enter_async_context(
            FakeLLM(pace=0.05, say=lambda line: show.tell("backend", line.removeprefix("backend: "), "backend"))
        )
    )
    url = llm.url if llm else (backend or "").rstrip("/").removesuffix("/v1")
    model = "fake-mini" if llm else await first_model(url)
    sidecar = await stack.enter_async_context(stage.sidecar(url, folder))
    front = await stack.enter_async_context(stage.nginx(sidecar.url, folder)) if stage.nginx_path() else ""
    show.say(f"backend {url} ({model}) <- sidecar {sidecar.url}" + (f" <- nginx {front}" if front else ""))
    return Cast(sidecar, model, llm, front, os.environ.get("SIDECAR_REQUIRE_ALL") == "1")


async def first_model(url: str) -> str:
    """The first model that a server says it has."""
    async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
        answer = await client.get(f"{url}/v1/models")
        answer.raise_for_status()
        return str(answer.json()["data"][0]["id"])


def scenes(cast: Cast) -> list[tuple[int, Scene]]:
    """What is played before this backend, in order."""
    return list(enumerate(EMBEDDED if cast.llm else OWN, 1))


async def played(number: int, scene: Scene, cast: Cast, show: Show) -> Verdict:
    """One scene, whatever becomes of it."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await scene(number, cast, show)
    except (TimeoutError, httpx2.HTTPError, stage.Failed, LookupError) as failed:
        name = scene.__module__.rpartition(".")[2]
        return Verdict(name, "the scene plays to its end", f"{type(failed).__name__}: {failed}", "FAILED")
    finally:
        if cast.llm:
            cast.llm.tap = lambda piece: None


def leave_report(folder: Path, cast: Cast, show: Show) -> None:
    """timestamps.json, and the picture where both deliveries were measured."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timestamps.json").write_bytes(delivery.report(cast.deliveries))
    written = "timestamps.json"
    if cast.deliveries:
        (folder / "deliveries.svg").write_text(picture.svg(cast.deliveries))
        written += " and deliveries.svg"
    show.say(f"Left in {folder}: {written}.")


async def stay_up(cast: Cast, show: Show) -> None:
    """Leave it to the person until Ctrl-C."""
    done = asyncio.Event()
    on_signal(done.set)
    body = f'{{"model":"{cast.model}","stream":true,"messages":[{{"role":"user","content":"hi"}}]}}'
    await show.title(len(scenes(cast)) + 1, "Your turn", "It all stays up until Ctrl-C. To paste in another terminal:")
    show.raw(f"curl -N {cast.chat_url} -H 'content-type: application/json' \\\n  -d '{body}'")
    show.raw(f"curl -s {cast.sidecar.admin}/metrics | grep ^sidecar_")
    if cast.nginx:
        show.say(f"Through nginx: {cast.nginx}; the header `x-demo: no-headers` brings the lump back.")
    await done.wait()
