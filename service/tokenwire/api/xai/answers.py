"""Converts the parts of an answer to chunks, and a whole answer to a response."""

import time
from collections.abc import Iterable
from typing import Final, Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from tokenwire.api.encrypted_content import ANSWER, encode_states
from tokenwire.api.xai.usage import to_sampling_usage
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import Completion, Delta, FinishReason
from tokenwire.v1 import chatgpt_pb2
from tokenwire.xai.v1 import xai_pb2 as pb

FINISH_REASONS: Final = {
    FinishReason.STOP: pb.REASON_STOP,
    FinishReason.LENGTH: pb.REASON_MAX_LEN,
    FinishReason.TOOL_CALLS: pb.REASON_TOOL_CALLS,
    FinishReason.OTHER: pb.REASON_INVALID,
}


class CallOfTool(Protocol):
    """A tool call of the core or of the service's contract."""

    @property
    def id(self) -> str:
        """The id."""

    @property
    def name(self) -> str:
        """The tool's name."""

    @property
    def arguments(self) -> str:
        """The arguments: the JSON of an object."""


class ProbableToken(Protocol):
    """A token and its log probability, of the core or of the service's contract."""

    @property
    def token(self) -> str:
        """The token's text."""

    @property
    def logprob(self) -> float:
        """The natural logarithm of its probability."""

    @property
    def raw(self) -> bytes:
        """The token's bytes."""


class AnswerToken(ProbableToken, Protocol):
    """A token of an answer."""

    @property
    def top(self) -> "Iterable[ProbableToken]":
        """The most probable tokens in its place."""


def to_chunk(delta: Delta, call: CallRecord) -> pb.GetChatCompletionChunk:
    """Convert a part of the answer to a chunk."""
    output = pb.CompletionOutputChunk(
        delta=pb.Delta(
            role=pb.ROLE_ASSISTANT, content=delta.text, reasoning_content=delta.reasoning
        )
    )
    if delta.tool_calls:
        output.delta.tool_calls.extend(_tool_calls(delta.tool_calls))
        states = ((each.id, each.state) for each in delta.tool_calls)
        output.delta.encrypted_content = encode_states(states)
    if delta.logprobs:
        output.logprobs.CopyFrom(_logprobs(delta.logprobs))
    return _chunk(call, output)


def to_finish_chunk(completion: Completion, call: CallRecord) -> pb.GetChatCompletionChunk:
    """Return the chunk with the finish reason of a complete answer."""
    delta = pb.Delta(role=pb.ROLE_ASSISTANT)
    if completion.state:
        delta.encrypted_content = encode_states([(ANSWER, completion.state)])
    output = pb.CompletionOutputChunk(
        delta=delta, finish_reason=FINISH_REASONS[completion.finish_reason]
    )
    return _chunk(call, output)


def to_last_chunk(completion: Completion, call: CallRecord) -> pb.GetChatCompletionChunk:
    """Return the chunk with the usage of a complete answer, which has no output."""
    chunk = _chunk(call)
    if completion.usage:
        chunk.usage.CopyFrom(to_sampling_usage(completion.usage, call.price))
    chunk.citations.extend(_addresses(completion))
    return chunk


def _chunk(call: CallRecord, *outputs: pb.CompletionOutputChunk) -> pb.GetChatCompletionChunk:
    # Clients take these of the latest chunk, so that every chunk must have them.
    return pb.GetChatCompletionChunk(
        id=call.request_id, model=call.model, created=_created(call), outputs=outputs
    )


def to_response(answer: chatgpt_pb2.Answer, call: CallRecord) -> pb.GetChatCompletionResponse:
    """Convert a whole answer to a response."""
    completion = call.completion
    assert completion is not None  # noqa: S101 - the answer is complete
    states = [(each.id, each.state) for each in answer.tool_calls]
    message = pb.CompletionMessage(
        content=answer.content,
        role=pb.ROLE_ASSISTANT,
        tool_calls=_tool_calls(answer.tool_calls),
        reasoning_content=answer.reasoning,
        encrypted_content=encode_states([*states, (ANSWER, answer.state)]),
    )
    usage = completion.usage
    return pb.GetChatCompletionResponse(
        id=call.request_id,
        outputs=[
            pb.CompletionOutput(
                message=message,
                finish_reason=FINISH_REASONS[completion.finish_reason],
                logprobs=_logprobs(answer.logprobs) if answer.logprobs else None,
            )
        ],
        created=_created(call),
        model=call.model,
        usage=to_sampling_usage(usage, call.price) if usage else None,
        citations=_addresses(completion),
    )


def _created(call: CallRecord) -> Timestamp:
    """Return when a call began, in whole seconds."""
    return Timestamp(seconds=int(time.time() - time.monotonic() + call.started))


def _addresses(completion: Completion) -> list[str]:
    """Return the sources that an answer names, each once."""
    return list(dict.fromkeys(each.url for each in completion.citations))


def _tool_calls(calls: "Iterable[CallOfTool]") -> list[pb.ToolCall]:
    return [
        pb.ToolCall(
            id=each.id,
            type=pb.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL,
            status=pb.TOOL_CALL_STATUS_COMPLETED,
            function=pb.FunctionCall(name=each.name, arguments=each.arguments),
        )
        for each in calls
    ]


def _logprobs(tokens: "Iterable[AnswerToken]") -> pb.LogProbs:
    return pb.LogProbs(
        content=[
            pb.LogProb(
                token=each.token,
                logprob=each.logprob,
                bytes=each.raw,
                top_logprobs=[
                    pb.TopLogProb(token=other.token, logprob=other.logprob, bytes=other.raw)
                    for other in each.top
                ],
            )
            for each in tokens
        ]
    )
