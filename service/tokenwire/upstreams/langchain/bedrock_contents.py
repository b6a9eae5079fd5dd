"""The conversation in the form of Bedrock's Converse API.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
"""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Final

import msgspec

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import ChatRequest, Part, PartKind, Role, Turn
from tokenwire.core.errors import InvalidParameter
from tokenwire.core.json_pieces import Base64
from tokenwire.upstreams.langchain.thinking import signed_blocks

FORMATS: Final = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/aac": "aac",
    "audio/mp4": "mp4",
    "audio/webm": "webm",
    "application/pdf": "pdf",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/csv": "csv",
    "text/html": "html",
}
"""Bedrock's names of the media types that it takes."""
KINDS: Final = {PartKind.IMAGE: "image", PartKind.AUDIO: "audio", PartKind.FILE: "document"}
NO_RESULT: Final = "."
"""Stands for a blank result of a tool: Bedrock rejects blank texts."""


def check_parts(request: ChatRequest) -> None:
    """Require that Bedrock takes the media types of all parts.

    Raises:
        InvalidParameter: It does not take one; the error names it.
    """
    _check(request.parts, "parts")
    for index, turn in enumerate(request.history):
        _check(turn.parts, f"history[{index}].parts")
        if turn.role is Role.TOOL:
            for at, part in enumerate(turn.parts):
                if part.kind is PartKind.AUDIO:
                    raise InvalidParameter(
                        f"history[{index}].parts[{at}]",
                        "must not be audio in the result of a tool with the provider bedrock",
                    )


def system_blocks(request: ChatRequest) -> list[dict[str, Any]]:
    """Return the system prompt with the turns of the system."""
    turns = (turn.content for turn in request.history if turn.role is Role.SYSTEM)
    return list(_texts((request.system, *turns)))


def messages(request: ChatRequest, codec: StateCodec) -> list[dict[str, Any]]:
    """Return the messages of a request: the history without the system's turns, and the message.

    The roles of messages alternate, as Bedrock requires; neighbours of the same role are one.

    Args:
        request: The request.
        codec: Decodes the states of turns.
    """
    found: list[dict[str, Any]] = []
    # Bedrock rejects two documents of the same name. Names of callers are not sent: it allows few
    # characters in them, and a model may take them for instructions.
    names = (f"document {number}" for number in count(1))
    for turn in request.history:
        match turn.role:
            case Role.ASSISTANT:
                _add(found, "assistant", _answered(turn, codec))
            case Role.TOOL:
                _add(found, "user", [_result(turn, names)])
            case Role.USER:
                _add(found, "user", _asked(turn.content, turn.parts, names))
    _add(found, "user", _asked(request.content, request.parts, names))
    return found


def _check(parts: Iterable[Part], path: str) -> None:
    for index, part in enumerate(parts):
        if part.media_type not in FORMATS:
            allowed = ", ".join(FORMATS)
            raise InvalidParameter(
                f"{path}[{index}].media_type",
                f"must be one of {allowed} with the provider bedrock",
            )


def _add(found: list[dict[str, Any]], role: str, content: list[dict[str, Any]]) -> None:
    if found and found[-1]["role"] == role:
        found[-1]["content"] += content
    elif content:
        found.append({"role": role, "content": content})


def _texts(texts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the blocks of texts that are not blank, which Bedrock rejects."""
    return ({"text": text} for text in texts if text.strip())


def _asked(text: str, parts: Iterable[Part], names: Iterator[str]) -> list[dict[str, Any]]:
    return [*_texts([text]), *(_data(part, names) for part in parts)]


def _data(part: Part, names: Iterator[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "format": FORMATS[part.media_type],
        "source": {"bytes": Base64(part.data)},
    }
    if part.kind is PartKind.FILE:
        fields["name"] = next(names)
    return {KINDS[part.kind]: fields}


def _answered(turn: Turn, codec: StateCodec) -> list[dict[str, Any]]:
    """Return the blocks of a turn of the model; its reasoning comes first, its calls last."""
    reasoning = (_reasoning(block) for block in signed_blocks(turn, codec))
    calls = (
        {
            "toolUse": {
                "toolUseId": call.id,
                "name": call.name,
                "input": msgspec.Raw(call.arguments.encode()),
            }
        }
        for call in turn.tool_calls
    )
    return [*reasoning, *_texts([turn.content]), *calls]


def _reasoning(block: dict[str, str]) -> dict[str, Any]:
    if block["type"] == "redacted_thinking":
        return {"reasoningContent": {"redactedContent": block["data"]}}
    text = {"text": block["thinking"], "signature": block["signature"]}
    return {"reasoningContent": {"reasoningText": text}}


def _result(turn: Turn, names: Iterator[str]) -> dict[str, Any]:
    """Return the block with the result of a call."""
    content = _asked(turn.content, turn.parts, names) or [{"text": NO_RESULT}]
    return {"toolResult": {"toolUseId": turn.tool_call_id, "content": content}}
