"""`format: auto`: whoever calls the path of a known API reads that API's format, everybody else the envelope.

No list of clients could be whole; and a backend's own web page calls its API from a browser.
"""

from typing import NamedTuple

from sidecar.stream import dialects

_WRITABLE = "/chat/completions"
"""Of its APIs' formats the sidecar can write one from any other: the chunks of chat completions."""


class Auto(NamedTuple):
    """What the path says: the dialects of the APIs that have it. `shared`: home-made endpoints are called so, too, and
    only the answer tells. `writable`: an answer in another dialect can be put into the API's own format."""

    apis: frozenset[str]
    shared: bool
    writable: bool
    path: str

    @property
    def format(self) -> str:
        """The format that is right as long as nothing is known of the answer."""
        return "passthrough" if self.apis and not self.shared else "envelope-v1"

    @property
    def open(self) -> bool:
        """Whether the answer may change it."""
        return self.shared or self.writable

    def of(self, dialect: str) -> str:
        """The format of an answer in this dialect."""
        if self.shared:
            return "passthrough" if dialect in self.apis else "envelope-v1"
        return "openai" if self.writable and dialect not in self.apis else self.format

    def why(self) -> str:
        """The reason, for people."""
        apis = " or ".join(sorted(self.apis))
        if not self.apis:
            return f"{self.path} is the path of no known API"
        if self.shared:
            return f"{self.path} may be the path of {apis}: an answer in that dialect leaves as it is (passthrough)"
        other = "; an answer in another dialect leaves as openai" if self.writable else ""
        return f"{self.path} is the path of {apis}{other}"


def of_path(path: str) -> Auto:
    """What `auto` means for a request to this path."""
    sure, shared = dialects.apis(path.rstrip("/"))
    apis = sure or shared
    return Auto(frozenset(apis), not sure and bool(shared), path.rstrip("/").endswith(_WRITABLE), path)
