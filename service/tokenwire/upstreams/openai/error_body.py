"""What an upstream says in the body of an error, wherever in the JSON it stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from tokenwire.upstreams.openai.waits import duration

TEXTS: Final = frozenset(
    {"message", "msg", "detail", "details", "error", "errors", "reason", "title", "description"}
    | {"error_message", "error_description", "status_msg", "raw"}
)
"""Keys of sentences. `raw` is what a router passes on of its provider: JSON within JSON."""
KINDS: Final = frozenset({"code", "type", "status", "reason", "error_code", "error_type", "__type"})
"""Keys of names for the kind of an error."""
PARAMETERS: Final = frozenset({"param", "parameter", "loc", "field"})
"""Keys of a parameter's name or of the way to it."""
WAIT: Final = "retryDelay"
"""Key of the delay in a google.rpc.RetryInfo."""
ECHOES: Final = frozenset({"input", "ctx", "content", "messages", "prompt", "request", "body"})
"""Keys below which the request may be repeated: a prompt must decide nothing."""

MAX_DEPTH: Final = 8
MAX_VALUES: Final = 500
MAX_TEXT: Final = 4_000
"""Characters of one text that are looked at."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error says. None of it may leave the service.

    Attributes:
        text: All its sentences.
        kinds: Its codes and types.
        parameters: Names of parameters, or ways to them as in `messages[0].content`.
        wait: Seconds to wait, or None.
    """

    text: str = ""
    kinds: str = ""
    parameters: tuple[str, ...] = ()
    wait: float | None = None


def decoded(body: bytes) -> object:
    """Return the JSON of `body`, or None if it is none."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def read(body: bytes) -> ErrorBody:
    """Return what `body` says, which is nothing if it is no JSON."""
    texts, kinds, parameters = [], [], []
    wait = None
    # What is no object says only a sentence: `"overloaded"`.
    for _, (key, value) in zip(range(MAX_VALUES), _values("message", decoded(body)), strict=False):
        if key in TEXTS:
            texts.append(value[:MAX_TEXT])
        if key in KINDS:
            kinds.append(value[:MAX_TEXT])
        if key in PARAMETERS:
            parameters.append(value[:MAX_TEXT])
        if key == WAIT and wait is None:
            wait = duration(value)
    return ErrorBody("\n".join(texts), "\n".join(kinds), tuple(parameters), wait)


def _values(key: str, value: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield each text with the key that it stands under, also within lists."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, str):
        yield key, value
        if key == "raw" and re.match(r"\s*[\[{]", value):
            yield from _values("message", decoded(value.encode()), depth + 1)
    elif isinstance(value, list) and key in PARAMETERS:
        # A way in steps: ["body", "stop", 0].
        yield key, ".".join(map(str, value[:MAX_DEPTH]))
    elif isinstance(value, list):
        for each in value:
            yield from _values(key, each, depth + 1)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in ECHOES:
                yield from _values(name, each, depth + 1)
