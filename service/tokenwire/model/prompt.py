"""From a request to LangChain messages."""

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from tokenwire.domain import ChatRequest, Role, Turn


def to_messages(request: ChatRequest) -> list[BaseMessage]:
    """Return the system prompt if there is one, the history, then the message."""
    messages: list[BaseMessage] = []
    if request.system:
        messages.append(SystemMessage(request.system))
    messages.extend(map(_to_message, request.history))
    messages.append(HumanMessage(request.content))
    return messages


def _to_message(turn: Turn) -> BaseMessage:
    if turn.role is Role.USER:
        return HumanMessage(turn.content)
    return AIMessage(turn.content)
