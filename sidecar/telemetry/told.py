"""The parts of the configuration and of a rule's decision that are told."""

from typing import Protocol


class Backend(Protocol):
    """An upstream."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...


class Decision(Protocol):
    """What a rule decided; `route` is its pattern."""

    @property
    def rule(self) -> str: ...
    @property
    def route(self) -> str: ...
