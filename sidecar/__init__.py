"""A transparent reverse proxy beside an LLM backend, which understands the streams that pass."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sidecar.proxy.middleware import SidecarMiddleware as SidecarMiddleware
    from sidecar.proxy.mount import Sidecar as Sidecar

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What other apps use, imported when it is asked for: `--help` is quick without it."""
    if name == "SidecarMiddleware":
        from sidecar.proxy.middleware import SidecarMiddleware

        return SidecarMiddleware
    if name == "Sidecar":
        from sidecar.proxy.mount import Sidecar

        return Sidecar
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
