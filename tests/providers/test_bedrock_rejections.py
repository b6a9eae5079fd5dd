"""What Bedrock's rejections become, by AWS's own words."""

import pytest

from support.bedrock_wire import BEDROCK
from support.providers import provider_player
from support.raw_upstream import Piece
from tokenwire.v1 import chatgpt_pb2 as pb


def rejection(status: str, text: str, kind: str = "ValidationException") -> list[Piece]:
    """Return the pieces of a rejection, in AWS's form."""
    return BEDROCK.rejection(status, text, f"x-amzn-errortype: {kind}:http://internal/\r\n")


REJECTIONS = [
    ("400", "The provided model identifier is invalid.", "UPSTREAM_MODEL_NOT_FOUND"),
    ("400", "Input is too long for requested model.", "PROMPT_TOO_LONG"),
    ("400", "prompt is too long: 1200 tokens > 1000 maximum", "PROMPT_TOO_LONG"),
    (
        "400",
        (
            "1 validation error detected: Value '7.0' at 'inferenceConfig.temperature' failed to "
            "satisfy constraint: Member must have value less than or equal to 1"
        ),
        "INVALID_PARAMETER",
    ),
    (
        "400",
        (
            "Invocation of model ID a.b-v1:0 with on-demand throughput isn't supported. Retry your "
            "request with the ID or ARN of an inference profile that contains this model."
        ),
        "UPSTREAM_REJECTED_REQUEST",
    ),
    ("403", "The security token included in the request is expired", "UPSTREAM_AUTH_REJECTED"),
    (
        "403",
        "You don't have access to the model with the specified model ID.",
        "UPSTREAM_AUTH_REJECTED",
    ),
    ("429", "Too many requests, please wait before trying again.", "UPSTREAM_RATE_LIMITED"),
    ("424", "The model had an error.", "UPSTREAM_ERROR"),
    ("408", "Model has timed out in processing the request.", "UPSTREAM_TIMEOUT"),
]


async def test_rejections(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """AWS's own words decide where the status does not."""
    message = pb.Message(content="hello", params=pb.Params(temperature=1.5))
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        for status, text, reason in REJECTIONS:
            with subtests.test(text=text):
                got = await upstream.play(rejection(f"{status} Any", text), message)
                assert got.reason == reason
