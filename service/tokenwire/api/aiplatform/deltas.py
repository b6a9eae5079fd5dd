"""Writes the parts of an answer as the `delta` and the choice of a chunk."""

from collections.abc import Iterable
from typing import Any, Final

from tokenwire.api.encrypted_content import ANSWER, encode_states
from tokenwire.core.domain import (
    NO_MEMBERS,
    ChunkCompletion,
    ChunkDelta,
    ChunkMembers,
    Citation,
    Completion,
    Delta,
    FinishReason,
    TokenLogprob,
    ToolCall,
)

FINISH_REASONS: Final = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.OTHER: "other",
}
REASONING: Final = frozenset({"reasoning_content", "reasoning", "reasoning_details"})
"""The members with reasoning, by the names that upstreams have for it."""
STATE: Final = "encrypted_content"


def members_of(event: Delta | Completion) -> ChunkMembers:
    """Return the members that came with an event."""
    return event.members if isinstance(event, ChunkDelta | ChunkCompletion) else NO_MEMBERS


class DeltaWriter:
    """Writes the parts of one answer.

    Attributes:
        states: What the upstream needs back, by the id of the tool call.
    """

    def __init__(self) -> None:
        self.states: list[tuple[str, bytes]] = []
        self._ids: dict[int, str] = {}

    def delta(self, event: Delta) -> dict[str, Any]:
        """Return the members of the `delta` for a part of the answer."""
        delta: dict[str, Any] = {}
        members = members_of(event).delta
        if event.reasoning and REASONING.isdisjoint(members):
            delta["reasoning_content"] = event.reasoning
        if event.text:
            is_refusal = isinstance(event, ChunkDelta) and event.is_refusal
            delta["refusal" if is_refusal else "content"] = event.text
        if event.tool_calls:
            delta["tool_calls"] = [self._piece(call) for call in event.tool_calls]
        return {**delta, **members}

    def _piece(self, call: ToolCall) -> dict[str, Any]:
        """Return a tool call or a piece of one, of which only the first has an id."""
        if call.id:
            self._ids[call.index] = call.id
        if call.state:
            self.states.append((self._ids.get(call.index, ""), call.state))
        if not call.id:
            return {"index": call.index, "function": {"arguments": call.arguments}}
        function = {"name": call.name, "arguments": call.arguments}
        return {"index": call.index, "id": call.id, "type": "function", "function": function}

    def last(self, completion: Completion) -> dict[str, Any]:
        """Return the members of the `delta` at the end of the answer."""
        delta: dict[str, Any] = {}
        if state := encode_states([*self.states, (ANSWER, completion.state)]):
            delta[STATE] = state
        # Upstreams of this form have sent them already, in the chunks to which they belong.
        if completion.citations and not isinstance(completion, ChunkCompletion):
            delta["annotations"] = annotations(completion.citations)
        return {**delta, **members_of(completion).delta}


def choice_members(event: Delta) -> dict[str, Any]:
    """Return the members of the choice for a part of the answer, besides the `delta`."""
    members = members_of(event).choice
    if event.logprobs and "logprobs" not in members:
        return {"logprobs": {"content": logprob_objects(event.logprobs)}, **members}
    return dict(members)


def logprob_objects(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """Return tokens with their log probabilities in OpenAI's form."""
    return [
        {
            "token": each.token,
            "logprob": each.logprob,
            "bytes": list(each.raw),
            "top_logprobs": [
                {"token": other.token, "logprob": other.logprob, "bytes": list(other.raw)}
                for other in each.top
            ],
        }
        for each in tokens
    ]


def annotations(citations: Iterable[Citation]) -> list[dict[str, Any]]:
    """Return the sources that an answer names in OpenAI's form."""
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "url": each.url,
                "title": each.title,
                "start_index": each.start,
                "end_index": each.end,
            },
        }
        for each in citations
    ]
