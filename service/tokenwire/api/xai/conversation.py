"""Converts the messages of a request to a system prompt, a history and a message to answer."""

from collections.abc import Iterable, Sequence
from typing import Final

from tokenwire.api.encrypted_content import ANSWER, decode_states
from tokenwire.api.field_names import MessagePlaces
from tokenwire.api.xai.contents import to_content
from tokenwire.api.xai.fields import FIELDS
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2
from tokenwire.xai.v1 import xai_pb2 as pb

ROLES: Final = {
    pb.ROLE_USER: chatgpt_pb2.ROLE_USER,
    pb.ROLE_ASSISTANT: chatgpt_pb2.ROLE_ASSISTANT,
    pb.ROLE_SYSTEM: chatgpt_pb2.ROLE_SYSTEM,
    pb.ROLE_TOOL: chatgpt_pb2.ROLE_TOOL,
    pb.ROLE_DEVELOPER: chatgpt_pb2.ROLE_SYSTEM,
}
LAST_ROLES: Final = (chatgpt_pb2.ROLE_USER, chatgpt_pb2.ROLE_TOOL)
CALL_TYPES: Final = (pb.TOOL_CALL_TYPE_INVALID, pb.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL)
CALL_STATES: Final = (pb.TOOL_CALL_STATUS_IN_PROGRESS, pb.TOOL_CALL_STATUS_COMPLETED)
ASSISTANT_ONLY: Final = "must be set with ROLE_ASSISTANT only"


def add_conversation(messages: Sequence[pb.Message], to: chatgpt_pb2.Message) -> MessagePlaces:
    """Add a conversation to a message of the service's contract.

    A system or developer message at the beginning becomes the system prompt, and a user message at
    the end becomes the content. All between them are the history.

    Args:
        messages: The conversation.
        to: Receives it.

    Returns:
        Where its messages are now.

    Raises:
        InvalidParameter: A message is invalid; the error names its field.
    """
    turns = _turns(messages)
    if turns and turns[-1].role not in LAST_ROLES:
        field = f"messages[{len(turns) - 1}].role"
        raise InvalidParameter(field, "must be ROLE_USER or ROLE_TOOL in the last message")
    last = None
    if turns and turns[-1].role == chatgpt_pb2.ROLE_USER:
        last = len(turns) - 1
        turn = turns.pop()
        to.content = turn.content
        to.parts.extend(turn.parts)
    first = 0
    if turns and turns[0].role == chatgpt_pb2.ROLE_SYSTEM and not turns[0].parts:
        first = 1
        to.system = turns.pop(0).content
    to.history.extend(turns)
    return MessagePlaces(FIELDS, first, last, has_parts=bool(to.parts))


def _turns(messages: Iterable[pb.Message]) -> list[chatgpt_pb2.Turn]:
    turns = []
    unanswered: list[str] = []
    for index, message in enumerate(messages):
        field = f"messages[{index}]"
        turn = _turn(message, field)
        if turn.role == chatgpt_pb2.ROLE_TOOL:
            _answer_call(turn, unanswered, field)
        unanswered += [call.id for call in turn.tool_calls]
        turns.append(turn)
    return turns


def _answer_call(turn: chatgpt_pb2.Turn, unanswered: list[str], field: str) -> None:
    """Remove the call whose result a turn is; without an id, it is that of the first one."""
    if not turn.tool_call_id and unanswered:
        turn.tool_call_id = unanswered[0]
    if turn.tool_call_id not in unanswered:
        raise InvalidParameter(
            f"{field}.tool_call_id", "must be the id of an earlier tool call without a result"
        )
    unanswered.remove(turn.tool_call_id)


def _turn(message: pb.Message, field: str) -> chatgpt_pb2.Turn:
    role = ROLES.get(message.role)
    if role is None:
        names = ", ".join(pb.MessageRole.Name(each) for each in ROLES)
        raise InvalidParameter(f"{field}.role", f"must be one of {names}")
    content, parts = to_content(message.content, f"{field}.content")
    if parts and role not in LAST_ROLES:
        description = "must have images and files with ROLE_USER or ROLE_TOOL only"
        raise InvalidParameter(f"{field}.content", description)
    turn = chatgpt_pb2.Turn(role=role, content=content, parts=parts)
    if message.tool_call_id:
        if role != chatgpt_pb2.ROLE_TOOL:
            raise InvalidParameter(f"{field}.tool_call_id", "must be set with ROLE_TOOL only")
        turn.tool_call_id = message.tool_call_id
    if role == chatgpt_pb2.ROLE_ASSISTANT:
        _add_answer(message, turn, field)
        return turn
    for name in ("tool_calls", "reasoning_content", "encrypted_content"):
        if getattr(message, name):
            raise InvalidParameter(f"{field}.{name}", ASSISTANT_ONLY)
    return turn


def _add_answer(message: pb.Message, turn: chatgpt_pb2.Turn, field: str) -> None:
    """Add what only a turn of the model has."""
    turn.reasoning = message.reasoning_content
    states = decode_states(message.encrypted_content, f"{field}.encrypted_content")
    turn.state = states.get(ANSWER, b"")
    for index, call in enumerate(message.tool_calls):
        path = f"{field}.tool_calls[{index}]"
        if call.WhichOneof("tool") is None:
            raise InvalidParameter(f"{path}.function", "must be set")
        if call.type not in CALL_TYPES:
            name = pb.ToolCallType.Name(pb.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL)
            raise InvalidParameter(f"{path}.type", f"must be {name}")
        if call.status not in CALL_STATES:
            names = ", ".join(pb.ToolCallStatus.keys())
            raise InvalidParameter(f"{path}.status", f"must be one of {names}")
        turn.tool_calls.add(
            id=call.id,
            name=call.function.name,
            arguments=call.function.arguments,
            state=states.get(call.id, b""),
        )
