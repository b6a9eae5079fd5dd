"""Writes the body of a request that the caller wrote in the same JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import ChatBody, ChatRequest, Role, Turn
from tokenwire.core.errors import InvalidParameter
from tokenwire.upstreams.openai.chat_state import call_state_fields, state_fields
from tokenwire.upstreams.openai.reasoning_fields import reasoning_fields
from tokenwire.upstreams.openai.request_form import RequestForm

LIMITS: Final = ("max_tokens", "max_completion_tokens")
"""The names of the limit of output tokens."""
EFFORT: Final = "reasoning_effort"
STATE: Final = "encrypted_content"
"""The member of a message in which callers return what the upstream needs back."""


@dataclass(frozen=True, slots=True)
class BodyForm:
    """What differs in the bodies of one upstream.

    Attributes:
        form: The names of its parameters.
        max_tokens_parameter: The name of its limit of output tokens.
        stream_usage: Whether it takes the option to report the usage of a stream.
        codec: Decodes the state of turns.
    """

    form: RequestForm
    max_tokens_parameter: str
    stream_usage: bool
    codec: StateCodec

    def payload(self, request: ChatRequest, body: ChatBody) -> dict[str, Any]:
        """Return the body for the upstream.

        The model, the limit of output tokens, streaming and the server's defaults are set; all
        other members are the caller's.

        Raises:
            InvalidParameter: The upstream does not support a value.
        """
        members = dict(body.members)
        payload: dict[str, Any] = {"model": request.model, "messages": None}
        for name in ("model", "stream", *LIMITS):
            members.pop(name, None)
        options = dict(members.pop("stream_options", None) or {})
        options.pop("include_usage", None)
        if self.stream_usage:
            options["include_usage"] = True
        sampling = request.sampling
        if sampling.max_tokens is not None:
            members[self.max_tokens_parameter] = sampling.max_tokens
        if sampling.temperature is not None and members.get("temperature") is None:
            members["temperature"] = sampling.temperature
        self._set_effort(members, request)
        payload |= members
        payload["messages"] = list(self._messages(request, body))
        payload["stream"] = True
        if options:
            payload["stream_options"] = options
        return payload

    def _set_effort(self, members: dict[str, Any], request: ChatRequest) -> None:
        """Write the effort of reasoning as the upstream takes it."""
        name = self.form.reasoning
        if request.reasoning.effort is None or name == EFFORT:
            return
        if members.get(name) is not None:
            raise InvalidParameter(EFFORT, f"must not be set together with `{name}`")
        del members[EFFORT]
        members |= reasoning_fields(request.reasoning, name)

    def _messages(self, request: ChatRequest, body: ChatBody) -> Iterator[Any]:
        if request.system and not body.has_system:
            yield {"role": "system", "content": request.system}
        answers = (turn for turn in request.history if turn.role is Role.ASSISTANT)
        for message in body.members["messages"]:
            turn = next(answers, None) if message.get("role") == "assistant" else None
            yield self._with_state(message, turn) if turn and STATE in message else message

    def _with_state(self, message: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
        """Return a message of the model with what the upstream needs back in its own form."""
        fields = {name: value for name, value in message.items() if name != STATE}
        fields |= state_fields(self.codec, turn)
        if turn.tool_calls:
            states = {call.id: call_state_fields(self.codec, call) for call in turn.tool_calls}
            fields["tool_calls"] = [
                {**call, **states.get(call.get("id"), {})} for call in fields["tool_calls"]
            ]
        return fields
