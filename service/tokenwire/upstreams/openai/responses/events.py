"""Decodes the events of a streamed response.

Format: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from typing import Final

import msgspec

from tokenwire.core.errors import UpstreamProtocolError
from tokenwire.upstreams.http.event import Event
from tokenwire.upstreams.openai.chunks import EMPTY_ERRORS
from tokenwire.upstreams.openai.error_body import decode_json
from tokenwire.upstreams.openai.irregular_chunks import encoded_name, text_and_reasoning
from tokenwire.upstreams.openai.rejection import MAX_ERROR_BYTES, is_error
from tokenwire.upstreams.openai.responses.errors import failure_of

TEXT_DELTA: Final = "response.output_text.delta"
REFUSAL_DELTA: Final = "response.refusal.delta"
SUMMARY_DELTA: Final = "response.reasoning_summary_text.delta"
REASONING_DELTA: Final = "response.reasoning_text.delta"
ARGUMENTS_DELTA: Final = "response.function_call_arguments.delta"
WHOLE_RESPONSE: Final = "response"
"""The type of a response that is not streamed; it has no type of its own."""

TEXT_DELTAS: Final = frozenset({TEXT_DELTA, REFUSAL_DELTA, SUMMARY_DELTA, REASONING_DELTA})


class ResponsesEvent(msgspec.Struct, gc=False):
    """The used fields of an event, in OpenAI's types. The decoder skips all others.

    Values that vary in structure stay encoded here.
    """

    type: str = ""
    delta: str | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    text: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    arguments: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    object: msgspec.Raw = msgspec.Raw()
    choices: msgspec.Raw = msgspec.Raw()
    logprobs: msgspec.Raw = msgspec.Raw()
    annotation: msgspec.Raw = msgspec.Raw()


class IrregularEvent(msgspec.Struct, gc=False):
    """`ResponsesEvent` with fields of any type."""

    type: msgspec.Raw = msgspec.Raw()
    delta: msgspec.Raw = msgspec.Raw()
    item_id: msgspec.Raw = msgspec.Raw()
    output_index: msgspec.Raw = msgspec.Raw()
    content_index: msgspec.Raw = msgspec.Raw()
    summary_index: msgspec.Raw = msgspec.Raw()
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    text: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    arguments: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    object: msgspec.Raw = msgspec.Raw()
    choices: msgspec.Raw = msgspec.Raw()
    logprobs: msgspec.Raw = msgspec.Raw()
    annotation: msgspec.Raw = msgspec.Raw()


_decode: Final = msgspec.json.Decoder(ResponsesEvent).decode
_decode_any: Final = msgspec.json.Decoder(IrregularEvent).decode
_integer: Final = msgspec.json.Decoder(int, strict=False).decode
"""Decodes an integer, also one in a string."""


def decode_event(event: Event) -> ResponsesEvent:
    """Return the content of an event.

    Raises:
        ServiceError: The event reports an error.
        UpstreamProtocolError: The data is not an event in valid UTF-8.
    """
    data = event.data
    try:
        # Validates UTF-8 also in the values that the decoder skips.
        data.decode()
        try:
            found = _decode(data)
        except msgspec.ValidationError:
            found = _decode_irregular(data)
    except (ValueError, RecursionError):
        if not data.strip():
            # Some upstreams keep the connection alive with empty events.
            return ResponsesEvent()
        raise UpstreamProtocolError from None
    if found.type == TEXT_DELTA:
        return found
    _check_error(found, event)
    if not found.type:
        _add_type(found, event)
    return found


def _check_error(found: ResponsesEvent, event: Event) -> None:
    """Raise the failure that an event reports, if any."""
    if found.error and bytes(found.error) not in EMPTY_ERRORS:
        # Besides the error, a whole response repeats parts of the request.
        raise failure_of(bytes(found.error))
    if event.name == b"error" or found.type == "error":
        raise failure_of(event.data)
    is_small = len(event.data) <= MAX_ERROR_BYTES
    if not found.type and is_small and is_error(decode_json(event.data)):
        raise failure_of(event.data)


def _add_type(found: ResponsesEvent, event: Event) -> None:
    """Add the type to an event that has none in its data."""
    if encoded_name(found.object) == WHOLE_RESPONSE:
        found.type = WHOLE_RESPONSE
        found.response = msgspec.Raw(event.data)
    elif found.choices:
        # A chunk of a chat completion: its text would be lost.
        raise UpstreamProtocolError
    else:
        found.type = event.name.decode(errors="replace")


def _decode_irregular(data: bytes) -> ResponsesEvent:
    raw = _decode_any(data)
    kind = encoded_name(raw.type) or ""
    delta = None
    if kind in TEXT_DELTAS:
        delta = text_and_reasoning(raw.delta)[0]
    elif kind == ARGUMENTS_DELTA:
        delta = json_text(raw.delta)
    return ResponsesEvent(
        type=kind,
        delta=delta,
        item_id=encoded_name(raw.item_id),
        output_index=_index(raw.output_index),
        content_index=_index(raw.content_index),
        summary_index=_index(raw.summary_index),
        item=raw.item,
        response=raw.response,
        text=raw.text,
        refusal=raw.refusal,
        arguments=raw.arguments,
        error=raw.error,
        object=raw.object,
        choices=raw.choices,
        logprobs=raw.logprobs,
        annotation=raw.annotation,
    )


def json_text(encoded: msgspec.Raw) -> str:
    """Return JSON that is a string's value, or the value itself; empty if it is absent or null."""
    data = bytes(encoded)
    if not data or data == b"null":
        return ""
    text: str = msgspec.json.decode(data) if data.startswith(b'"') else data.decode()
    return text


def _index(encoded: msgspec.Raw) -> int | None:
    try:
        return _integer(encoded) if encoded else None
    except ValueError:
        return None
