"""Converts the messages of a request to a system prompt, a history and a message to answer."""

from typing import Any, Final

import msgspec

from tokenwire.api.aiplatform.contents import Contents
from tokenwire.api.aiplatform.fields import FIELDS
from tokenwire.api.aiplatform.members import JsonMembers, shown
from tokenwire.api.aiplatform.untranslated import Untranslated
from tokenwire.api.chatgpt.tools import MAX_TOOL_CALLS
from tokenwire.api.encrypted_content import ANSWER, decode_states
from tokenwire.api.field_names import MessagePlaces
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2

ROLES: Final = {
    "user": chatgpt_pb2.ROLE_USER,
    "assistant": chatgpt_pb2.ROLE_ASSISTANT,
    "system": chatgpt_pb2.ROLE_SYSTEM,
    "developer": chatgpt_pb2.ROLE_SYSTEM,
    "tool": chatgpt_pb2.ROLE_TOOL,
}
LAST_ROLES: Final = (chatgpt_pb2.ROLE_USER, chatgpt_pb2.ROLE_TOOL)
FUNCTION: Final = "function"


class MessageConverter:
    """Converts the messages of one request.

    Args:
        untranslated: Receives the paths of what cannot be translated.

    Attributes:
        contents: Converts the contents of the messages.
    """

    def __init__(self, untranslated: Untranslated) -> None:
        self._untranslated = untranslated
        self.contents = Contents(untranslated)

    def add(self, messages: list[Any], to: chatgpt_pb2.Message) -> MessagePlaces:
        """Add the messages to a message of the service's contract.

        A system or developer message at the beginning becomes the system prompt, and a user message
        at the end becomes the content. All between them are the history.

        Returns:
            Where the messages are now.

        Raises:
            InvalidParameter: A message is invalid; the error names what is.
        """
        turns = [
            self._turn(JsonMembers(each, f"messages[{index}]"))
            for index, each in enumerate(messages)
        ]
        last = None
        if turns and turns[-1].role == chatgpt_pb2.ROLE_USER:
            last = len(turns) - 1
            turn = turns.pop()
            to.content = turn.content
            to.parts.extend(turn.parts)
        elif turns and turns[-1].role not in LAST_ROLES:
            # Some upstreams continue an answer that the caller has begun.
            path = f"messages[{len(turns) - 1}].role"
            self._untranslated.add(path)
            to.content = f"[{path}]"
        first = 0
        if turns and turns[0].role == chatgpt_pb2.ROLE_SYSTEM and not turns[0].parts:
            first = 1
            to.system = turns.pop(0).content
        to.history.extend(turns)
        return MessagePlaces(FIELDS, first, last, has_parts=bool(to.parts))

    def _turn(self, message: JsonMembers) -> chatgpt_pb2.Turn:
        name = message.text("role")
        if name is None:
            raise InvalidParameter(message.path("role"), "must be set")
        role = ROLES.get(name)
        if role is None:
            self._untranslated.add(message.path("role"))
            return chatgpt_pb2.Turn(role=chatgpt_pb2.ROLE_USER, content=f"[{shown(name)}]")
        content, parts = self.contents.convert(message.take("content"), message.path("content"))
        turn = chatgpt_pb2.Turn(role=role, content=content, parts=parts)
        if role == chatgpt_pb2.ROLE_TOOL:
            turn.tool_call_id = message.text("tool_call_id") or ""
        if role == chatgpt_pb2.ROLE_ASSISTANT:
            self._add_answer(message, turn)
        self._untranslated.extend(message.rest())
        return turn

    def _add_answer(self, message: JsonMembers, turn: chatgpt_pb2.Turn) -> None:
        """Add what only a turn of the model has."""
        turn.content = turn.content or message.text("refusal") or ""
        # Sources and the like, which no upstream takes back.
        message.take("annotations")
        turn.reasoning = message.text("reasoning_content") or message.text("reasoning") or ""
        path = message.path("encrypted_content")
        states = decode_states(message.text("encrypted_content") or "", path)
        turn.state = states.get(ANSWER, b"")
        calls = message.items("tool_calls") or []
        if len(calls) > MAX_TOOL_CALLS:
            description = f"must hold at most {MAX_TOOL_CALLS} items"
            raise InvalidParameter(message.path("tool_calls"), description)
        for index, each in enumerate(calls):
            call = JsonMembers(each, f"{message.path('tool_calls')}[{index}]")
            added = self._call(call)
            added.state = states.get(added.id, b"")
            turn.tool_calls.append(added)

    def _call(self, call: JsonMembers) -> chatgpt_pb2.ToolCall:
        id_, kind = call.text("id") or "", call.text("type")
        call.take("index")
        if kind not in (None, FUNCTION):
            self._untranslated.add(call.path("type"))
            input_ = msgspec.json.encode({"type": kind}).decode()
            return chatgpt_pb2.ToolCall(id=id_, name="untranslated", arguments=input_)
        function = JsonMembers(call.take(FUNCTION), call.path(FUNCTION))
        made = chatgpt_pb2.ToolCall(
            id=id_,
            name=function.text("name") or "",
            arguments=function.text("arguments") or "",
        )
        self._untranslated.extend(function.rest())
        self._untranslated.extend(call.rest())
        return made
