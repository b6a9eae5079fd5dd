"""Rejects what a model cannot do, where the gateway file says what it can."""

from collections.abc import Iterator
from typing import Final

from tokenwire.core.domain import ChatRequest, Effort, Part, PartKind
from tokenwire.core.errors import UnsupportedByModel

OF_PARTS: Final = {
    PartKind.IMAGE: "images",
    PartKind.AUDIO: "audio",
    PartKind.FILE: "files",
}
EMBEDDINGS: Final = "embeddings"
CHAT: Final = "chat"


def check_chat(abilities: frozenset[str] | None, request: ChatRequest) -> None:
    """Reject a message that needs what the model cannot do.

    Args:
        abilities: What the model can do, by the names in the gateway file; None if unknown. A model
            whose abilities have `embeddings` and not `chat` answers no messages.
        request: The message.

    Raises:
        UnsupportedByModel: The model lacks an ability; the error names the field that needs it.
    """
    if abilities is None:
        return
    if EMBEDDINGS in abilities and CHAT not in abilities:
        raise UnsupportedByModel("params.model", "this model makes embeddings and no answers")
    for field, ability in _needed(request):
        if ability not in abilities:
            raise UnsupportedByModel(field, f"this model lacks the ability {ability}")


def check_embeddings(abilities: frozenset[str] | None) -> None:
    """Reject a request for embeddings if the model makes none.

    Raises:
        UnsupportedByModel: The model lacks the ability.
    """
    if abilities is not None and EMBEDDINGS not in abilities:
        raise UnsupportedByModel("model", f"this model lacks the ability {EMBEDDINGS}")


def _needed(request: ChatRequest) -> Iterator[tuple[str, str]]:
    """Yield the abilities that a message needs, each with the field that needs it."""
    if request.tools:
        yield "tools", "tools"
    if request.format:
        yield "format", "format"
    if request.reasoning.max_tokens is not None:
        yield "reasoning.max_tokens", "reasoning"
    if request.reasoning.effort not in (None, Effort.NONE):
        yield "reasoning.effort", "reasoning"
    yield from _of_parts("parts", request.parts)
    for index, turn in enumerate(request.history):
        if turn.parts:
            yield from _of_parts(f"history[{index}].parts", turn.parts)


def _of_parts(path: str, parts: tuple[Part, ...]) -> Iterator[tuple[str, str]]:
    for index, part in enumerate(parts):
        yield f"{path}[{index}]", OF_PARTS[part.kind]
