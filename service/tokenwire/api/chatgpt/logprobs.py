"""Converts log probabilities to messages."""

from collections.abc import Iterable

from tokenwire.core.domain import TokenLogprob
from tokenwire.v1 import chatgpt_pb2 as pb


def to_logprob_messages(logprobs: Iterable[TokenLogprob]) -> list[pb.TokenLogprob]:
    """Return the messages of the tokens of an answer."""
    return [
        pb.TokenLogprob(
            token=each.token,
            logprob=each.logprob,
            raw=each.raw,
            top=[
                pb.TopLogprob(token=other.token, logprob=other.logprob, raw=other.raw)
                for other in each.top
            ],
        )
        for each in logprobs
    ]
