"""What the response of a provider says besides text and reasoning."""

from dataclasses import dataclass, field

from tokenwire.core.domain import Usage
from tokenwire.upstreams.langchain.thinking import ThinkingBlocks
from tokenwire.upstreams.tool_call_assembler import ToolCallPiece


@dataclass(slots=True)
class Facts:
    """What the events of a response have said so far.

    Attributes:
        id: The upstream's id of the answer, or empty.
        model: The name of the model, or empty.
        finish_reason: The provider's word for why the answer ended, or empty.
        counts: The latest token counts, by the provider's names.
        usage: The usage, or None if it is not complete.
        pieces: The pieces of tool calls that are not taken yet.
        state: What the upstream needs back in the next request, or empty.
        thinking: The signed reasoning so far, which becomes the state.
        ended: Whether the event that ends a response has arrived.
    """

    id: str = ""
    model: str = ""
    finish_reason: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    usage: Usage | None = None
    pieces: list[ToolCallPiece] = field(default_factory=list)
    state: bytes = b""
    thinking: ThinkingBlocks = field(default_factory=ThinkingBlocks)
    ended: bool = False

    def take_pieces(self) -> list[ToolCallPiece]:
        """Return the pieces of tool calls since the last call of this method."""
        pieces, self.pieces = self.pieces, []
        return pieces


def name_in(value: object) -> str:
    """Return an id or a name, or an empty string if `value` is of another type."""
    return value if isinstance(value, str) else ""
