"""From a request to LangChain messages."""

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

from tokenwire.domain import ChatRequest, Role, Turn

PROMPT = ChatPromptTemplate.from_messages(
    [
        MessagesPlaceholder("system"),
        MessagesPlaceholder("history"),
        ("human", "{content}"),
    ]
)


def to_messages(request: ChatRequest) -> list[BaseMessage]:
    """Return the system prompt if there is one, the history, then the message."""
    return PROMPT.format_messages(
        system=[SystemMessage(request.system)] if request.system else [],
        history=[_to_message(turn) for turn in request.history],
        content=request.content,
    )


def _to_message(turn: Turn) -> BaseMessage:
    if turn.role is Role.USER:
        return HumanMessage(turn.content)
    return AIMessage(turn.content)
