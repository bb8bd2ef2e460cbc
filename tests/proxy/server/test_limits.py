"""How many connections there may be, and what is set on their sockets."""

import json
import resource
import socket
from contextlib import AsyncExitStack

import pytest

from sidecar.proxy.edge import Limits
from sidecar.proxy.server import address_of, listen
from tests.proxy.server.room import Room, told
from tests.wire import eventually
from tests.wire.client import Client
from tests.wire.message import request

pytestmark = pytest.mark.anyio


async def test_one_too_many_is_told_at_once() -> None:
    async with Room(told, Limits(connections=3)) as room, AsyncExitStack() as held:
        clients = [await held.enter_async_context(room.client()) for _ in range(3)]
        await eventually(lambda: len(room.state.connections) == 3)
        for number in range(1, 6):
            async with room.client() as client:
                reply = await client.reply("GET")
                assert (reply.status, reply.get("connection")) == (503, "close")
                assert json.loads(reply.body)["error"]["code"] == "OVERLOADED"
                assert await client.rest() == b""
                assert room.edge.refused == {503: number}
        assert [line["count"] for line in room.told("refused")] == [1, 2, 4]
        for known in clients:
            await known.send(request("GET", "/"))
            assert (await known.reply("GET")).status == 200
        clients[0].leave()
        await eventually(lambda: len(room.state.connections) == 2)
        async with Client(room.port) as client:
            await client.send(request("GET", "/"))
            assert (await client.reply("GET")).status == 200


def test_the_limit_follows_from_that_of_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        assert Limits().connections == 480
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_accepted_sockets_have_the_options(address: str) -> None:
    with listen(address) as listening:
        where = address_of(listening)
        assert where.startswith(address[:-1])
        with socket.create_connection(listening.getsockname()[:2]), listening.accept()[0] as sock:
            option = sock.getsockopt
            assert option(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            # the kernel doubles it, for its own needs
            assert option(socket.SOL_SOCKET, socket.SO_SNDBUF) == 256 << 10
            assert option(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
                assert option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
                assert option(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 5
                assert option(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 128 << 10


def test_a_burst_of_connections_finds_room() -> None:
    with listen("127.0.0.1:0") as listening:
        burst = [socket.socket() for _ in range(500)]
        try:
            for client in burst:
                client.setblocking(False)
                client.connect_ex(listening.getsockname())
            for _ in burst:
                listening.settimeout(5)
                listening.accept()[0].close()
        finally:
            for client in burst:
                client.close()
