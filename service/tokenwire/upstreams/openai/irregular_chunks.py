"""Decodes chunks in which fields have other types than in OpenAI's API.

Text in a known shape becomes text. Text in an unknown shape fails the answer, because otherwise the
caller would not notice its loss. All other fields are optional: a value of an unexpected type
counts as absent.
"""

from typing import Any, Final

import msgspec

from tokenwire.core.errors import UpstreamProtocolError
from tokenwire.upstreams.openai.chunk import Choice, Chunk, MessageDelta

REASONING_PARTS: Final = frozenset({"thinking", "reasoning", "reasoning.text", "reasoning.summary"})
"""The types of content parts that hold the model's reasoning."""
REASONING_KEYS: Final = ("text", "thinking", "reasoning", "summary")
"""The keys of the text of such a part, in order of precedence."""
LABEL_KEYS: Final = frozenset({"type", "id", "signature", "data", "format"})
"""The keys of a part whose strings are not text."""

MAX_PARTS: Final = 10_000
"""The most parts of one content, which bounds the time that it takes."""

DIGITS: Final = frozenset(b"-0123456789")


class IrregularDelta(msgspec.Struct, gc=False):
    """`MessageDelta` with fields of any type."""

    content: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    reasoning_content: msgspec.Raw = msgspec.Raw()
    reasoning: msgspec.Raw = msgspec.Raw()
    reasoning_details: msgspec.Raw = msgspec.Raw()
    tool_calls: msgspec.Raw = msgspec.Raw()
    function_call: msgspec.Raw = msgspec.Raw()
    annotations: msgspec.Raw = msgspec.Raw()


class IrregularChoice(msgspec.Struct, gc=False):
    """`Choice` with fields of any type."""

    delta: IrregularDelta | None = None
    message: IrregularDelta | None = None
    finish_reason: msgspec.Raw = msgspec.Raw()
    logprobs: msgspec.Raw = msgspec.Raw()
    usage: msgspec.Raw = msgspec.Raw()


class IrregularChunk(msgspec.Struct, gc=False):
    """`Chunk` with fields of any type."""

    id: msgspec.Raw = msgspec.Raw()
    model: msgspec.Raw = msgspec.Raw()
    choices: list[IrregularChoice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    citations: msgspec.Raw = msgspec.Raw()
    search_results: msgspec.Raw = msgspec.Raw()


_decode: Final = msgspec.json.Decoder(IrregularChunk).decode


def decode_irregular(data: bytes) -> Chunk:
    """Return the chunk in valid JSON whose fields have other types than those of `Chunk`.

    Raises:
        UpstreamProtocolError: The text has an unknown shape.
        ValueError, RecursionError: The data is not a chunk.
    """
    chunk = _decode(data)
    return Chunk(
        id=encoded_name(chunk.id),
        model=encoded_name(chunk.model),
        choices=[_choice(choice) for choice in (chunk.choices or ())[:1]],
        usage=chunk.usage,
        error=chunk.error,
        citations=chunk.citations,
        search_results=chunk.search_results,
    )


def _choice(choice: IrregularChoice) -> Choice:
    return Choice(
        delta=_delta(choice.delta) if choice.delta else None,
        message=_delta(choice.message) if choice.message else None,
        finish_reason=_string(bytes(choice.finish_reason)),
        logprobs=choice.logprobs,
        usage=choice.usage,
    )


def _delta(delta: IrregularDelta) -> MessageDelta:
    text, reasoning = text_and_reasoning(delta.content)
    for encoded in (delta.reasoning_content, delta.reasoning):
        reasoning = reasoning or reasoning_of(encoded)
    return MessageDelta(
        content=text,
        refusal=text_and_reasoning(delta.refusal)[0],
        reasoning=reasoning,
        reasoning_details=delta.reasoning_details,
        tool_calls=delta.tool_calls,
        function_call=delta.function_call,
        annotations=delta.annotations,
    )


def text_and_reasoning(content: msgspec.Raw) -> tuple[str, str]:
    """Return the text and the reasoning in an encoded content.

    Raises:
        UpstreamProtocolError: The text has an unknown shape.
        ValueError, RecursionError: The content cannot be decoded.
    """
    encoded = bytes(content)
    if encoded[:1] and encoded[0] in DIGITS:
        # Some upstreams decode the JSON that a model writes token by token. The number's own
        # notation is the text.
        return encoded.decode(), ""
    return text_and_reasoning_of(_value(content))


def text_and_reasoning_of(value: object) -> tuple[str, str]:
    """Return the text and the reasoning in a decoded content.

    Raises:
        UpstreamProtocolError: The text has an unknown shape.
    """
    if value is None:
        return "", ""
    if isinstance(value, str):
        return value, ""
    if not isinstance(value, list) or len(value) > MAX_PARTS:
        raise UpstreamProtocolError
    texts: list[str] = []
    reasonings: list[str] = []
    for part in value:
        text, reasoning = _part(part)
        texts.append(text)
        reasonings.append(reasoning)
    return "".join(texts), "".join(reasonings)


def _part(part: object) -> tuple[str, str]:
    """Return the text and the reasoning of a content part."""
    if isinstance(part, str):
        return part, ""
    if not isinstance(part, dict):
        raise UpstreamProtocolError
    if part.get("type") in REASONING_PARTS:
        return "", _reasoning(part)
    text = part.get("text")
    if isinstance(text, str):
        return text, ""
    if any(isinstance(value, str) for key, value in part.items() if key not in LABEL_KEYS):
        raise UpstreamProtocolError
    return "", ""


def reasoning_of(encoded: msgspec.Raw) -> str:
    """Return the reasoning in an encoded value: a string, a part, or a list of them."""
    try:
        return _reasoning(_value(encoded))
    except (ValueError, RecursionError):
        # A number out of the decoder's range, or too deep: not a text.
        return ""


def _reasoning(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_reasoning, value))
    if isinstance(value, dict):
        found: Any = next((value[key] for key in REASONING_KEYS if value.get(key)), "")
        return _reasoning(found)
    return ""


def encoded_name(encoded: msgspec.Raw) -> str | None:
    """Return a name or an id: a string, or the digits of a number."""
    value = bytes(encoded)
    if value[:1] and value[0] in DIGITS:
        return value.decode()
    return _string(value)


def _string(encoded: bytes) -> str | None:
    value: object = msgspec.json.decode(encoded) if encoded[:1] == b'"' else None
    return value if isinstance(value, str) else None


def _value(encoded: msgspec.Raw) -> object:
    decoded: object = msgspec.json.decode(encoded) if len(encoded) else None
    return decoded
