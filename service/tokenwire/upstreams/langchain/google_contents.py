"""The conversation in Gemini's form, with the signatures that its models need back.

https://ai.google.dev/api/generate-content and https://ai.google.dev/gemini-api/docs/thought-signatures
"""

import re
from typing import Any, Final

import msgspec

from tokenwire.core.conversation_state import MAX_CALL_STATE_BYTES, StateCodec
from tokenwire.core.domain import ChatRequest, Part, Role, Turn
from tokenwire.core.json_pieces import Base64

SIGNATURE: Final = "thoughtSignature"
CALL_ID: Final = "id"
NO_SIGNATURE: Final = "skip_thought_signature_validator"
"""Google's word for a call that another model made."""
SIGNING: Final = re.compile(r"(?:models/)?gemini-(?:[3-9]|\d\d)(?!\d)")
"""The names of models that refuse calls without a signature."""


def call_state(codec: StateCodec, signature: str, call_id: str) -> bytes:
    """Return the state of a tool call: its signature, and its id if the upstream gave one."""
    fields = {SIGNATURE: signature, CALL_ID: call_id}
    return codec.encode(
        {name: value for name, value in fields.items() if value}, MAX_CALL_STATE_BYTES
    )


def system_instruction(request: ChatRequest) -> dict[str, Any] | None:
    """Return the system prompt with the turns of the system, or None if there are none."""
    turns = (turn.content for turn in request.history if turn.role is Role.SYSTEM)
    parts = [{"text": text} for text in (request.system, *turns) if text]
    return {"parts": parts} if parts else None


def contents(request: ChatRequest, codec: StateCodec) -> list[dict[str, Any]]:
    """Return the contents of a request: the history without the system's turns, and the message.

    Args:
        request: The request.
        codec: Decodes the states of turns and of tool calls.
    """
    found: list[dict[str, Any]] = []
    calls: dict[str, dict[str, str]] = {}
    previous = None
    for turn in request.history:
        match turn.role:
            case Role.SYSTEM:
                continue
            case Role.ASSISTANT:
                found.append({"role": "model", "parts": _answered(turn, request.model, codec)})
                calls |= {call.id: _names(call.state, call.name, codec) for call in turn.tool_calls}
            case Role.TOOL:
                if previous is not Role.TOOL:
                    # The results of parallel calls belong to one content.
                    found.append({"role": "user", "parts": []})
                found[-1]["parts"] += _result(turn, calls.get(turn.tool_call_id, {}))
            case Role.USER:
                found.append({"role": "user", "parts": _asked(turn.content, turn.parts)})
        previous = turn.role
    if request.content or request.parts:
        found.append({"role": "user", "parts": _asked(request.content, request.parts)})
    return found


def _asked(text: str, parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    texts = [{"text": text}] if text or not parts else []
    return [*texts, *map(_data, parts)]


def _data(part: Part) -> dict[str, Any]:
    return {"inlineData": {"mimeType": part.media_type, "data": Base64(part.data)}}


def _answered(turn: Turn, model: str, codec: StateCodec) -> list[dict[str, Any]]:
    """Return the parts of a turn of the model; its calls come after its text."""
    signature = _string(codec, turn.state, SIGNATURE)
    parts: list[dict[str, Any]] = []
    if turn.content or not (turn.tool_calls or signature):
        parts.append({"text": turn.content})
    if signature:
        # In a part of its own, because it may not be joined with the text of another part.
        parts.append({"text": "", SIGNATURE: signature})
    for index, call in enumerate(turn.tool_calls):
        args = msgspec.Raw(call.arguments.encode())
        part: dict[str, Any] = {
            "functionCall": {**_names(call.state, call.name, codec), "args": args}
        }
        own = _string(codec, call.state, SIGNATURE)
        if not own and index == 0 and SIGNING.match(model):
            own = NO_SIGNATURE
        if own:
            part[SIGNATURE] = own
        parts.append(part)
    return parts


def _names(state: bytes, name: str, codec: StateCodec) -> dict[str, str]:
    """Return the name of a call, and its id if the upstream gave one."""
    call_id = _string(codec, state, CALL_ID)
    return {"id": call_id, "name": name} if call_id else {"name": name}


def _result(turn: Turn, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return the parts for the result of a call."""
    response = {"name": "", **names, "response": {"output": turn.content}}
    return [{"functionResponse": response}, *map(_data, turn.parts)]


def _string(codec: StateCodec, state: bytes, name: str) -> str:
    """Return a string in a state; empty if there is none. Callers can forge others."""
    value = codec.decode(state).get(name)
    return value if isinstance(value, str) else ""
