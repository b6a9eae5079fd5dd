"""Reads a response object and the items of its output.

Values of an unexpected type count as absent, except text: its loss would go unnoticed.
"""

from typing import Final

import msgspec

from tokenwire.core.errors import UpstreamProtocolError

MAX_PARTS: Final = 10_000
"""The most items of an output and parts of an item, which bounds the time that they take."""


class ResponseObject(msgspec.Struct, gc=False):
    """The used fields of a response."""

    id: msgspec.Raw = msgspec.Raw()
    model: msgspec.Raw = msgspec.Raw()
    status: msgspec.Raw = msgspec.Raw()
    incomplete_details: msgspec.Raw = msgspec.Raw()
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    output: msgspec.Raw = msgspec.Raw()


class OutputItem(msgspec.Struct, gc=False):
    """The used fields of an item: a message, a function call or reasoning."""

    type: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()
    call_id: msgspec.Raw = msgspec.Raw()
    name: msgspec.Raw = msgspec.Raw()
    arguments: msgspec.Raw = msgspec.Raw()
    content: msgspec.Raw = msgspec.Raw()
    summary: msgspec.Raw = msgspec.Raw()


class ContentPart(msgspec.Struct, gc=False):
    """The used fields of a part of a message or of reasoning."""

    text: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    annotations: msgspec.Raw = msgspec.Raw()


class IncompleteDetails(msgspec.Struct, gc=False):
    """Why a response is incomplete."""

    reason: msgspec.Raw = msgspec.Raw()


_response: Final = msgspec.json.Decoder(ResponseObject).decode
_item: Final = msgspec.json.Decoder(OutputItem).decode
_part: Final = msgspec.json.Decoder(ContentPart).decode
_details: Final = msgspec.json.Decoder(IncompleteDetails).decode
_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_response(encoded: msgspec.Raw) -> ResponseObject:
    """Return a response; one without fields if it has another shape."""
    try:
        return _response(encoded)
    except (ValueError, RecursionError):
        return ResponseObject()


def read_item(encoded: msgspec.Raw) -> OutputItem:
    """Return an item; one without fields if it has another shape."""
    try:
        return _item(encoded)
    except (ValueError, RecursionError):
        return OutputItem()


def incomplete_reason(response: ResponseObject) -> str:
    """Return why a response is incomplete, or an empty string if it does not say."""
    try:
        return string_of(_details(response.incomplete_details).reason)
    except (ValueError, RecursionError):
        return ""


def output_items(response: ResponseObject) -> list[tuple[msgspec.Raw, OutputItem]]:
    """Return each item of the output, encoded and decoded.

    Raises:
        UpstreamProtocolError: The output is no list, or too long.
    """
    return [(encoded, read_item(encoded)) for encoded in _values(response.output)]


def texts_of(content: msgspec.Raw) -> tuple[list[str], bool]:
    """Return the texts of a content, and whether a part is a refusal.

    Raises:
        UpstreamProtocolError: The text has an unknown shape.
    """
    if _is_string(content):
        return [string_of(content)], False
    texts, refused = [], False
    for encoded in _values(content):
        try:
            part = _part(encoded)
        except (ValueError, RecursionError):
            raise UpstreamProtocolError from None
        for value in (part.text, part.refusal):
            if value and bytes(value) != b"null":
                if not _is_string(value):
                    raise UpstreamProtocolError
                texts.append(string_of(value))
        refused = refused or bool(string_of(part.refusal))
    return texts, refused


def annotations_of(content: msgspec.Raw) -> list[msgspec.Raw]:
    """Return the encoded annotations of each part of a content; none if it has another shape."""
    try:
        return [found for part in _list(content) if (found := _part(part).annotations)]
    except (ValueError, RecursionError):
        return []


def string_of(encoded: msgspec.Raw) -> str:
    """Return a string, or an empty one if the value is of another type."""
    value: object = msgspec.json.decode(encoded) if _is_string(encoded) else ""
    return value if isinstance(value, str) else ""


def _is_string(encoded: msgspec.Raw) -> bool:
    return bytes(memoryview(encoded)[:1]) == b'"'


def _values(encoded: msgspec.Raw) -> list[msgspec.Raw]:
    if not encoded or bytes(encoded) == b"null":
        return []
    try:
        values = _list(encoded)
    except (ValueError, RecursionError):
        raise UpstreamProtocolError from None
    if len(values) > MAX_PARTS:
        raise UpstreamProtocolError
    return values
