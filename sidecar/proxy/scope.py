"""What the app is told of a request and of the connection that it came by."""

from asyncio import Transport
from typing import Any, NamedTuple
from urllib.parse import unquote

from sidecar.proxy.cycle import Cycle
from sidecar.proxy.head import Head

Address = tuple[str, int]


class Ends(NamedTuple):
    """Both ends of a connection, where they are known."""

    server: Address | None
    client: Address | None
    scheme: str


def ends_of(transport: Transport) -> Ends:
    """The ends of this connection."""
    # the loop has them: from the socket each costs a system call, 18 us a connection together
    told = transport.get_extra_info
    return Ends(_address(told("sockname")), _address(told("peername")), "https" if told("sslcontext") else "http")


def scope_of(head: Head, cycle: Cycle, ends: Ends, state: dict[str, Any]) -> dict[str, Any]:
    """ASGI's scope; its extensions are what ASGI has no word for."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": head.version,
        "method": head.method,
        "path": unquote(head.path.decode("latin-1")),
        "raw_path": head.path,
        "query_string": head.query,
        "root_path": "",
        "headers": head.headers,
        "state": state.copy(),
        "extensions": {
            "sidecar.abort": cycle.abort,
            "sidecar.left": cycle.left,
            "sidecar.target": head.target,  # ASGI cannot tell `/a?` from `/a`
            "sidecar.write": cycle.write,
        },
        "server": ends.server,
        "client": ends.client,
        "scheme": ends.scheme,
    }


def _address(name: Any) -> Address | None:
    return (name[0], name[1]) if isinstance(name, tuple) else None
