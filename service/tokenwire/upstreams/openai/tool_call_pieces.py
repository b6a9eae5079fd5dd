"""Reads the pieces of tool calls in chat-completion chunks."""

from typing import Any

import msgspec

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.errors import UpstreamProtocolError
from tokenwire.upstreams.openai.chat_state import EXTRA_CONTENT, call_state
from tokenwire.upstreams.openai.chunk import MessageDelta
from tokenwire.upstreams.tool_call_assembler import ToolCallPiece


def tool_call_pieces(delta: MessageDelta, codec: StateCodec | None) -> list[ToolCallPiece]:
    """Return the pieces in a delta, which may be none.

    Args:
        delta: The delta.
        codec: Encodes what the upstream needs back with the calls; None to drop it.

    Raises:
        UpstreamProtocolError: The tool calls have an unknown shape.
    """
    pieces = pieces_of(_decode(delta.tool_calls), codec)
    # The form that preceded `tool_calls`.
    function = _decode(delta.function_call) or None
    return pieces if function is None else [*pieces, _piece({}, function, codec)]


def pieces_of(calls: object, codec: StateCodec | None) -> list[ToolCallPiece]:
    """Return the pieces in a decoded list of tool calls; see `tool_call_pieces`."""
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise UpstreamProtocolError
    return [_piece(call, call.get("function"), codec) for call in calls]


def _decode(encoded: msgspec.Raw) -> Any:
    try:
        value = msgspec.json.decode(encoded) if len(encoded) else None
    except (ValueError, RecursionError):
        raise UpstreamProtocolError from None
    return [] if value is None else value


def _piece(call: dict[str, Any], function: Any, codec: StateCodec | None) -> ToolCallPiece:
    if function is None:
        function = {}
    if not isinstance(function, dict):
        raise UpstreamProtocolError
    index, name = call.get("index"), function.get("name")
    return ToolCallPiece(
        index if isinstance(index, int) else None,
        _text(call.get("id")),
        name if isinstance(name, str) else "",
        _arguments(function.get("arguments")),
        call_state(codec, call.get(EXTRA_CONTENT)) if codec else b"",
    )


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and value != "" else ""


def _arguments(value: object) -> str:
    """Return a piece of the arguments. Some upstreams send an object in place of its JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()
