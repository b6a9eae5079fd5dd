"""Extracts the message, codes and parameters from an upstream's error body.

Upstreams use different JSON structures, so values are selected by their keys at any depth.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from tokenwire.upstreams.openai.waits import duration

TEXT_KEYS: Final = frozenset(
    {"message", "msg", "detail", "details", "error", "errors", "reason", "title", "description"}
    | {"error_message", "error_description", "status_msg", "raw"}
)
"""Keys of error messages. Routers put their provider's error into `raw`, as JSON within JSON."""
KIND_KEYS: Final = frozenset(
    {"code", "type", "status", "reason", "error_code", "error_type", "__type"}
)
"""Keys of error codes and types."""
PARAMETER_KEYS: Final = frozenset({"param", "parameter", "loc", "field"})
"""Keys of the name or the path of a parameter."""
RETRY_DELAY_KEY: Final = "retryDelay"
"""The key of the delay in google.rpc.RetryInfo."""
ECHO_KEYS: Final = frozenset({"input", "ctx", "content", "messages", "prompt", "request", "body"})
"""Keys that are ignored because their values may repeat the request. Otherwise the text of a prompt
could determine the failure."""

MAX_DEPTH: Final = 8
MAX_VALUES: Final = 500
MAX_TEXT_LENGTH: Final = 4_000
"""The number of characters of one text that are read."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The content of an upstream's error. It must not leave the service.

    Attributes:
        text: The error messages, one per line.
        kinds: The error codes and types, one per line.
        parameters: Names or paths of parameters, such as `messages[0].content`.
        wait: Seconds to wait before a retry, or None.
    """

    text: str = ""
    kinds: str = ""
    parameters: tuple[str, ...] = ()
    wait: float | None = None


def decode_json(body: bytes) -> object:
    """Return the decoded JSON of `body`, or None if it is not JSON."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def read(body: bytes) -> ErrorBody:
    """Return the content of `body`, which is empty if it is not JSON."""
    texts, kinds, parameters = [], [], []
    wait = None
    # JSON that is a plain string, such as `"overloaded"`, counts as a message.
    for _, (key, value) in zip(
        range(MAX_VALUES), _values("message", decode_json(body)), strict=False
    ):
        if key in TEXT_KEYS:
            texts.append(value[:MAX_TEXT_LENGTH])
        if key in KIND_KEYS:
            kinds.append(value[:MAX_TEXT_LENGTH])
        if key in PARAMETER_KEYS:
            parameters.append(value[:MAX_TEXT_LENGTH])
        if key == RETRY_DELAY_KEY and wait is None:
            wait = duration(value)
    return ErrorBody("\n".join(texts), "\n".join(kinds), tuple(parameters), wait)


def _values(key: str, value: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield each string and each numeric code, with its key.

    The items of a list have the key of the list.
    """
    if isinstance(value, str):
        yield key, value
        if key == "raw" and re.match(r"\s*[\[{]", value):
            yield from _values("message", decode_json(value.encode()), depth + 1)
    elif isinstance(value, int) and key in KIND_KEYS:
        yield key, str(value)
    elif isinstance(value, list) and key in PARAMETER_KEYS:
        # A path as a list: ["body", "stop", 0].
        yield key, ".".join(map(str, value[:MAX_DEPTH]))
    elif isinstance(value, list | dict) and depth < MAX_DEPTH:
        for name, each in _items(key, value):
            yield from _values(name, each, depth + 1)


def _items(key: str, value: list[object] | dict[str, object]) -> Iterable[tuple[str, object]]:
    if isinstance(value, list):
        return ((key, each) for each in value)
    return ((name, each) for name, each in value.items() if name not in ECHO_KEYS)
