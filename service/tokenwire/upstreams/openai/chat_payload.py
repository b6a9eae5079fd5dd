"""Writes the body of a chat-completions request."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tokenwire.core.conversation_state import StateCodec
from tokenwire.core.domain import Role
from tokenwire.upstreams.openai.chat_messages import message_of
from tokenwire.upstreams.prompt import Draft

DEVELOPER_MODEL: Final = re.compile(r"o\d")
"""The beginning of the names of models whose system prompt has the role `developer`."""


@dataclass(frozen=True, slots=True)
class ChatForm:
    """What differs in the bodies of one upstream.

    Attributes:
        model: The model of requests that name none.
        max_tokens_parameter: The name of the limit of output tokens.
        stream_usage: Whether the upstream takes the option to report the usage of a stream.
        codec: Encodes what the upstream needs back, and decodes it.
    """

    model: str
    max_tokens_parameter: str
    stream_usage: bool
    codec: StateCodec

    def payload(
        self, drafts: Sequence[Draft], parameters: dict[str, Any], stop: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return the body, before encoding.

        Args:
            drafts: The messages of the conversation.
            parameters: The parameters of the request, as of `prompt.to_parameters`.
            stop: The stop sequences.
        """
        payload = {"model": self.model, **parameters, "stream": True}
        if "max_tokens" in payload:
            payload[self.max_tokens_parameter] = payload.pop("max_tokens")
        if stop:
            payload["stop"] = list(stop)
        if self.stream_usage:
            payload["stream_options"] = {"include_usage": True}
        system = "developer" if DEVELOPER_MODEL.match(self.model) else Role.SYSTEM.value
        payload["messages"] = [
            {"role": system if role is Role.SYSTEM else role.value, "content": content}
            if turn is None
            else message_of(turn, self.codec)
            for role, content, turn in drafts
        ]
        return payload
