"""The turns of a conversation."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple


class Role(enum.Enum):
    """The author of a turn."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool by the model, or a piece of one.

    A piece has a part of the arguments. The first piece of a call has its id and its name, which
    are empty in the others.

    Attributes:
        id: The id of the call, unique within the answer.
        name: The tool's name.
        arguments: The arguments: the JSON of an object.
        index: The position of the call in the answer.
        state: What the upstream needs back with the call; opaque.
    """

    id: str
    name: str
    arguments: str
    index: int = 0
    state: bytes = b""


def join_pieces(pieces: Iterable[ToolCall]) -> list[ToolCall]:
    """Return one tool call, or piece of one, for each index, with the arguments of all."""
    by_index: dict[int, list[ToolCall]] = {}
    for piece in pieces:
        by_index.setdefault(piece.index, []).append(piece)
    return [
        same[0]
        if len(same) == 1
        else replace(
            same[0],
            arguments="".join(each.arguments for each in same),
            state=same[-1].state,
        )
        for same in by_index.values()
    ]


class PartKind(enum.Enum):
    """What a part holds."""

    IMAGE = "image"
    AUDIO = "audio"
    FILE = "file"


class Detail(enum.Enum):
    """How closely a model looks at an image, by OpenAI's names."""

    AUTO = "auto"
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Part:
    """Data that belongs to a text.

    Attributes:
        kind: What it holds.
        media_type: The media type, such as `image/png`; may be empty if `url` is set.
        url: The address of the data, which the upstream reads; empty if `data` is set.
        data: The data itself; empty if `url` is set.
        name: The name of a file; may be empty.
        detail: How closely the model looks at an image; None for the upstream's default.
    """

    kind: PartKind
    media_type: str
    url: str = ""
    data: bytes = b""
    name: str = ""
    detail: Detail | None = None


class Turn(NamedTuple):
    """One earlier turn of the conversation. A request has thousands, so it must be cheap to create.

    Attributes:
        role: The author.
        content: The text; with Role.TOOL, the result of the call.
        tool_calls: The tools that the model called. Role.ASSISTANT only.
        tool_call_id: The id of the call whose result the turn is. Role.TOOL only.
        parts: The data that belongs to the text. Role.USER and Role.TOOL only.
        reasoning: What the model reasoned. Role.ASSISTANT only.
        state: What the upstream needs back; opaque. Role.ASSISTANT only.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    parts: tuple[Part, ...] = ()
    reasoning: str = ""
    state: bytes = b""
