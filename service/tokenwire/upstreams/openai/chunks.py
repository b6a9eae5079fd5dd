"""Decodes chat-completion chunks into text and the completion."""

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
from tokenwire.upstreams.openai.chunk import Chunk
from tokenwire.upstreams.openai.finish_reasons import finish_reason
from tokenwire.upstreams.openai.irregular_chunks import decode_irregular
from tokenwire.upstreams.openai.usage import read_usage

NULL_BYTES: Final = len("null")
MAX_NAME_BYTES: Final = 256
"""Longer model names and ids are dropped."""

EMPTY_ERRORS: Final = (b"null", b"{}", b"[]", b'""', b"false", b"0")


_decode: Final = msgspec.json.Decoder(Chunk).decode


def decode(event: Event) -> Chunk:
    """Return the chunk in an event.

    Raises:
        UpstreamError: The event reports an error.
        UpstreamProtocolError: The data is not a chunk in valid UTF-8.
    """
    if event.name == b"error":
        raise UpstreamError
    try:
        # Validates UTF-8 also in the values that the decoder skips.
        event.data.decode()
        try:
            chunk = _decode(event.data)
        except msgspec.ValidationError:
            chunk = decode_irregular(event.data)
    except (ValueError, RecursionError):
        raise UpstreamProtocolError from None
    if chunk.error and bytes(chunk.error) not in EMPTY_ERRORS:
        raise UpstreamError
    return chunk


class ChunkReader:
    """Accumulates the chunks of one answer.

    A finish reason completes the text. If more text follows, the text is incomplete again until
    the next finish reason.

    Attributes:
        complete: Whether a finish reason has arrived and no text after it.
        resumed: The number of times that text has arrived after a finish reason.
        deferred_error: The first failure after the text was complete. It is raised only if more
            text follows, because then text may be missing.
    """

    def __init__(self) -> None:
        self.complete = False
        self.resumed = 0
        self.deferred_error: ServiceError | None = None
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._model = ""
        self._id = ""

    def add(self, chunk: Chunk) -> str:
        """Add a chunk and return its text, which may be empty.

        Raises:
            ServiceError: The chunk has text and follows an event that could not be decoded.
        """
        # Most upstreams send `null` in every chunk but the last.
        if len(chunk.usage) > NULL_BYTES:
            self._usage = read_usage(chunk.usage) or self._usage
        elif chunk.x_groq:
            self._usage = read_usage(chunk.x_groq.usage) or self._usage
        self._model = chunk.model or self._model
        self._id = chunk.id or self._id
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        if choice.usage and len(chunk.usage) <= NULL_BYTES:
            self._usage = read_usage(choice.usage) or self._usage
        delta = choice.delta or choice.message
        text = (delta.content or delta.refusal or "") if delta else ""
        if text and self.complete:
            self._resume()
        if choice.finish_reason:
            self._finish_reason = choice.finish_reason
            self.complete = True
        return text

    def _resume(self) -> None:
        self.complete = False
        self.resumed += 1
        if self.deferred_error:
            raise self.deferred_error

    def completion(self) -> Completion:
        """Return the end of the answer.

        Raises:
            UpstreamTruncated: No finish reason has arrived.
            ContentFiltered: The upstream's content filter ended the answer.
            UpstreamError: The finish reason reports that generation was interrupted.
        """
        if self._finish_reason is None:
            raise UpstreamTruncated
        reason = finish_reason(self._finish_reason)
        return Completion(reason, self._usage, _name(self._model), _name(self._id))


def _name(value: str) -> str:
    return value if len(value.encode()) <= MAX_NAME_BYTES else ""
