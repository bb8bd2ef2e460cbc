"""The proxy is tested on the loop that it runs on, over each transport."""

from typing import Any

import pytest

from tests.wire.house import House


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(params=["httpx2", "lean"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(House, "transport", request.param)
    return str(request.param)
