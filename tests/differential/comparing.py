"""One stream read directly and through the sidecar in three formats, and how the readings differ from the truth."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.differential import chat, messages, readings, responses
from tests.differential.answer import Answer, Call, Choice
from tests.differential.backend import Stage
from tests.differential.dice import Dice
from tests.differential.paper import Stream
from tests.differential.readings import Clients, Read, Reader


class Dialect(NamedTuple):
    """Who makes its streams, and how its own SDK reads them."""

    stream: Callable[[Dice], Stream]
    read: Reader


DIALECTS = {
    "chat": Dialect(chat.stream, readings.chat),
    "responses": Dialect(responses.stream, readings.responses),
    "messages": Dialect(messages.stream, readings.messages),
}


class Difference(NamedTuple):
    format: str
    what: str
    stream: Stream

    def __str__(self) -> str:
        strange = ", ".join(sorted(self.stream.strange)) or "nothing"
        return f"{self.format}: {self.what}\n  unusual: {strange}\n  the bytes: {self.stream.body!r}"


class Comparison:
    """The stage and the clients before both of its servers."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._direct, self._through = Clients(stage.direct), Clients(stage.through)

    def close(self) -> None:
        self._direct.close()
        self._through.close()

    def of(self, dialect: str, seed: int) -> Difference | None:
        """The first difference, with nothing unusual in the stream that it does not need."""
        return self._least(dialect, seed, found) if (found := self._difference(dialect, seed, set())) else None

    def _least(self, dialect: str, seed: int, found: Difference) -> Difference:
        usual: set[str] = set()
        for strange in sorted(found.stream.strange):
            if other := self._difference(dialect, seed, usual | {strange}):
                usual.add(strange)
                found = other
        return found

    def _difference(self, dialect: str, seed: int, usual: set[str]) -> Difference | None:
        how = DIALECTS[dialect]
        stream = self._stage.stream = how.stream(Dice(f"{dialect} {seed}", usual))
        direct = how.read(self._direct, stream.path, "")
        for what in wrong_directly(stream, direct):
            return Difference("direct", what, stream)
        for format, read in {
            "passthrough": how.read,
            "envelope-v2": readings.envelope,
            "openai": readings.chat,
        }.items():
            said = read(self._through, stream.path, format)
            check = wrong_in_passthrough if format == "passthrough" else wrong
            for what in check(stream, direct, said, format):
                return Difference(format, what, stream)
        return None


def wrong_directly(stream: Stream, direct: Read) -> Iterator[str]:
    """Of a stream that does not mislead the SDK, it reads the truth: else the truth is none."""
    if stream.misled or direct.crashed:
        return
    if (stream.truth.failed is None) != (direct.answer.failed is None):
        yield f"true is {stream.truth}, the SDK reads {direct.answer}"
    elif stream.truth.failed is None:
        yield from unlike(stream.truth, direct.answer)


def wrong_in_passthrough(stream: Stream, direct: Read, said: Read, format: str) -> Iterator[str]:
    """The SDK reads the same; only where it took half an answer for a whole one we may have told it."""
    if direct.answer.failed is not None:
        if said.answer.failed is None:
            yield f"a failure ({direct.answer.failed}) became a success"
    elif said.answer != direct.answer and (stream.truth.failed is None or said.answer.failed is None):
        yield f"directly {direct.answer}, through us {said.answer}"


def wrong(stream: Stream, direct: Read, said: Read, format: str) -> Iterator[str]:
    true, answer = stream.truth, said.answer
    if said.crashed:
        yield f"cannot be read: {said.crashed}"
    elif true.failed is None:
        if format == "openai" and stream.path == messages.PATH:
            true = true._replace(usage=messages.in_openai(dict(true.usage)))
        yield from unlike(true, answer, format)
    elif answer.failed is None:
        yield "a failure became a success"
    elif true.failed not in answer.failed:
        yield f"the error says {answer.failed!r}"
    else:
        yield from unlike_so_far(true, answer, None if stream.misled or direct.crashed else direct.answer)


def unlike(true: Answer, answer: Answer, format: str = "") -> Iterator[str]:
    """Where a whole answer is not what is true."""
    if answer.failed is not None:
        yield f"whole, but told as failed: {answer.failed}"
        return
    for number in sorted({*true.choices, *answer.choices}):
        one, other = true.choices.get(number, Choice()), answer.choices.get(number, Choice())
        finish = in_openai(one.finish) if format == "openai" else one.finish
        one = one._replace(finish=finish, calls=tuple(map(matched, one.calls, other.calls or one.calls)))
        for field, a, b in zip(Choice._fields, one, other, strict=True):
            if a != b:
                yield f"{field} of choice {number} is {a!r}, not {b!r}"
    for name, count in true.usage.items():
        if answer.usage.get(name) != count:
            yield f"usage is {true.usage}, not {answer.usage}"
    if not true.usage and any(answer.usage.values()):
        yield f"there is no usage, not {answer.usage}"
    if true.model != answer.model:
        yield f"model is {true.model!r}, not {answer.model!r}"


def unlike_so_far(true: Answer, answer: Answer, direct: Answer | None) -> Iterator[str]:
    """Where what was said before a failure was not, or was lost."""
    for number, whole in true.choices.items():
        said, least = answer.choices.get(number, Choice()), direct and direct.choices.get(number)
        for field in ("text", "reasoning", "refusal"):
            told = getattr(said, field)
            if not getattr(whole, field).startswith(told):
                yield f"{field} before the failure was never said: {told!r}"
            elif least and not told.startswith(getattr(least, field)):
                yield f"{field} before the failure is {getattr(least, field)!r}, not {told!r}"


def matched(true: Call, call: Call) -> Call:
    """The true call, with the id of the other where any will do."""
    return true._replace(id=true.id or call.id)


def in_openai(finish: str) -> str:
    return finish if finish in ("length", "tool_calls", "content_filter") else "stop"
