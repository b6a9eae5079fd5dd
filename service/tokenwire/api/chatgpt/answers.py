"""Converts the parts of an answer to messages."""

from typing import Final

from tokenwire.api.chatgpt.logprobs import to_logprob_messages
from tokenwire.api.chatgpt.tools import to_messages
from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import Completion, Delta, FinishReason, Stage, Usage
from tokenwire.core.prices import Price
from tokenwire.core.spending import spent
from tokenwire.v1 import chatgpt_pb2 as pb

FINISH_REASONS: Final = {
    FinishReason.STOP: pb.FINISH_REASON_STOP,
    FinishReason.LENGTH: pb.FINISH_REASON_LENGTH,
    FinishReason.TOOL_CALLS: pb.FINISH_REASON_TOOL_CALLS,
    FinishReason.OTHER: pb.FINISH_REASON_OTHER,
}
STAGES: Final = {
    Stage.QUEUED: pb.Progress.STAGE_QUEUED,
    Stage.THINKING: pb.Progress.STAGE_THINKING,
}


def to_answer(delta: Delta, call: CallRecord) -> pb.Answer:
    """Convert a part of the answer to a message."""
    del call
    if delta.reasoning or delta.tool_calls or delta.logprobs:
        return pb.Answer(
            content=delta.text,
            reasoning=delta.reasoning,
            tool_calls=to_messages(delta.tool_calls),
            logprobs=to_logprob_messages(delta.logprobs),
        )
    if delta.stage:
        return pb.Answer(progress=pb.Progress(stage=STAGES[delta.stage]))
    return pb.Answer(content=delta.text)


def to_last_answer(completion: Completion, call: CallRecord) -> pb.Answer:
    """Return the last Answer of a complete answer, without a text."""
    usage = completion.usage
    attempts = call.attempts
    return pb.Answer(
        finish_reason=FINISH_REASONS[completion.finish_reason],
        usage=to_usage(usage, call.price) if usage else None,
        model=completion.model,
        id=completion.id,
        citations=[
            pb.Citation(url=each.url, title=each.title, start=each.start, end=each.end)
            for each in completion.citations
        ],
        refused=completion.refused,
        state=completion.state,
        route=pb.Route(upstream=attempts.upstream, attempts=max(attempts.count, 1)),
    )


def to_failed_answer(reason: str, call: CallRecord) -> pb.Answer:
    """Return the last Answer of an answer that fails after its first part was sent.

    Its usage is what the upstream has reported. Where the upstream has not reported the output
    that was sent, each of its events counts as one token.
    """
    usage, estimated = spent(call)
    return pb.Answer(error=reason, usage=to_usage(usage, call.price, estimated=estimated))


def to_usage(usage: Usage, price: Price | None, *, estimated: bool = False) -> pb.Usage:
    """Convert the usage of a call to a message."""
    return pb.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cache_write_input_tokens=usage.cache_write_input_tokens,
        audio_input_tokens=usage.audio_input_tokens,
        audio_output_tokens=usage.audio_output_tokens,
        cost_nanodollars=price.nanodollars(usage) if price else 0,
        estimated=estimated,
    )
