"""From the JSON of chat-completion chunks to text and the completion."""

from typing import Final

import msgspec

from tokenwire.core.domain import Completion, Usage
from tokenwire.core.errors import (
    ServiceError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTruncated,
)
from tokenwire.upstreams.http.sse import Event
from tokenwire.upstreams.openai.finish_reasons import finish_reason

MAX_COUNT: Final = 2**53
"""Token counts above this are not counts: JSON numbers end being exact here."""

LEAST_USAGE_BYTES: Final = len("null")
MAX_USAGE_BYTES: Final = 10_000
MAX_NAME_BYTES: Final = 256
"""A model or an id above this is not a name."""

NO_ERROR: Final = (b"null", b"{}", b"[]", b'""', b"false", b"0")


class TextDelta(msgspec.Struct, gc=False):
    """The text of a choice; a refusal is text too, which says why the model does not comply."""

    content: str | None = None
    refusal: str | None = None


class Choice(msgspec.Struct, gc=False):
    """One of the answers; only one is asked for.

    An upstream that does not stream sends it whole, as `message`.
    """

    delta: TextDelta | None = None
    message: TextDelta | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct, gc=False):
    """What is used of a chat-completion chunk. The rest is skipped, not decoded.

    `usage` and `error` come in many shapes and sizes, so they stay encoded.
    """

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_decode: Final = msgspec.json.Decoder(Chunk).decode


def decode(event: Event) -> Chunk:
    """Return the chunk that an event carries.

    Raises:
        UpstreamError: The event reports a failure.
        UpstreamProtocolError: The data is not a chunk in strict UTF-8.
    """
    if event.name == b"error":
        raise UpstreamError
    try:
        # The decoder does not look inside what it skips.
        event.data.decode()
        chunk = _decode(event.data)
    except (ValueError, RecursionError):
        raise UpstreamProtocolError from None
    if chunk.error and bytes(chunk.error) not in NO_ERROR:
        raise UpstreamError
    return chunk


class ChunkReader:
    """What the chunks of one answer have said so far.

    A finish reason makes the answer whole, and text behind it takes that back: then
    the next reason, or the end of the stream, has to come as for any other text.

    Attributes:
        whole: Whether a finish reason has come, and no text since.
        resumed: How many times text has come behind a finish reason.
        doubt: The first failure since the answer has been whole. It is one only if
            text follows, which shows that text is missing.
    """

    def __init__(self) -> None:
        self.whole = False
        self.resumed = 0
        self.doubt: ServiceError | None = None
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._model = ""
        self._id = ""

    def add(self, chunk: Chunk) -> str:
        """Take in a chunk and return its text, which may be empty.

        Raises:
            ServiceError: The text comes behind what could not be read.
        """
        # No longer is `null`, which every chunk but the last has.
        if len(chunk.usage) > LEAST_USAGE_BYTES:
            self._usage = _usage(chunk.usage) or self._usage
        self._model = chunk.model or self._model
        self._id = chunk.id or self._id
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        delta = choice.delta or choice.message
        text = (delta.content or delta.refusal or "") if delta else ""
        if text and self.whole:
            self._resume()
        if choice.finish_reason:
            self._finish_reason = choice.finish_reason
            self.whole = True
        return text

    def _resume(self) -> None:
        self.whole = False
        self.resumed += 1
        if self.doubt:
            raise self.doubt

    def completion(self) -> Completion:
        """Return the end of the answer.

        Raises:
            UpstreamTruncated: No finish reason has come.
            ContentFiltered: The upstream's content filter ended the answer.
            UpstreamError: The finish reason says that the answer was broken off.
        """
        if self._finish_reason is None:
            raise UpstreamTruncated
        reason = finish_reason(self._finish_reason)
        return Completion(reason, self._usage, _name(self._model), _name(self._id))


def _name(value: str) -> str:
    return value if len(value.encode()) <= MAX_NAME_BYTES else ""


def _usage(encoded: msgspec.Raw) -> Usage | None:
    if len(encoded) > MAX_USAGE_BYTES:
        return None
    try:
        value = msgspec.json.decode(encoded)
    except ValueError:
        # Numbers that no counter holds.
        return None
    input_tokens = _count(value, "prompt_tokens")
    output_tokens = _count(value, "completion_tokens")
    if not isinstance(value, dict) or input_tokens is None or output_tokens is None:
        return None
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=_count(value.get("prompt_tokens_details"), "cached_tokens") or 0,
        reasoning_tokens=_count(value.get("completion_tokens_details"), "reasoning_tokens") or 0,
    )


def _count(of: object, key: str) -> int | None:
    value = of.get(key) if isinstance(of, dict) else None
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None
