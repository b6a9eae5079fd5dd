"""From a request to what LangChain is given."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from tokenwire.core.domain import ChatRequest, Role
from tokenwire.core.large_work import next_step

Kind: TypeAlias = type[SystemMessage] | type[HumanMessage] | type[AIMessage]
Line: TypeAlias = tuple[Kind, str]
"""A message that is still to be made: who speaks, and what is said."""

SLICE: Final = 256
KINDS: Final[dict[Role, Kind]] = {Role.USER: HumanMessage, Role.ASSISTANT: AIMessage}


def to_lines(request: ChatRequest) -> list[Line]:
    """Return the system prompt if there is one, the history, then the message."""
    lines: list[Line] = [(SystemMessage, request.system)] if request.system else []
    lines.extend((KINDS[turn.role], turn.content) for turn in request.history)
    lines.append((HumanMessage, request.content))
    return lines


async def to_messages(lines: Sequence[Line]) -> list[BaseMessage]:
    """Return the messages themselves. Others have their turn between one slice and the next."""
    messages: list[BaseMessage] = []
    for start in range(0, len(lines), SLICE):
        if start:
            await next_step()
        messages.extend(kind(text) for kind, text in lines[start : start + SLICE])
    return messages


def to_parameters(request: ChatRequest) -> dict[str, Any]:
    """Return the parameters that the request sets, by LangChain's names; `stop` is not one."""
    sampling = request.sampling
    parameters = {
        "model": request.model,
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "user": sampling.user or None,
    }
    return {name: value for name, value in parameters.items() if value is not None}
