"""The meaning of an error decides, in any provider's words, wherever they stand."""

import email.utils
import json
import time

import grpc
import pytest

from support.helpers import retry_delay_of, violated_fields_of
from support.quirks import Got, Player, player, response
from support.rejections import TOO_LONG, says
from tokenwire.v1 import chatgpt_pb2 as pb

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

JSON = "application/json"
PUSHBACK = "grpc-retry-pushback-ms"


async def reject(upstream: Player, status: str, body: object, *, headers: str = "") -> Got:
    """Play a rejection with these headers to one call."""
    head = f"{status}\r\n{headers}".removesuffix("\r\n")
    return await upstream.play(
        response(json.dumps(body).encode(), status=head, content_type=JSON),
        pb.Message(content="hello", params=pb.Params(temperature=1)),
    )


async def test_a_prompt_that_is_too_long(subtests: pytest.Subtests) -> None:
    """Words of length about the input, the prompt, the context or its tokens."""
    async with player() as upstream:
        for body in TOO_LONG:
            with subtests.test(body=body):
                got = await reject(upstream, "400 Bad Request", body)
                assert got == Got("", "PROMPT_TOO_LONG", INVALID_ARGUMENT)
        got = await reject(upstream, "413 Content Too Large", {})
        assert got == Got("", "PROMPT_TOO_LONG", INVALID_ARGUMENT)


POLICIES = [
    says("..", code="data_inspection_failed"),
    says("Content Exists Risk"),
    {"detail": "Content Exists Risk"},
]


async def test_a_prompt_that_is_rejected(subtests: pytest.Subtests) -> None:
    """Words of a policy or a moderation."""
    async with player() as upstream:
        for body in POLICIES:
            with subtests.test(body=body):
                got = await reject(upstream, "400 Bad Request", body)
                assert got == Got("", "PROMPT_REJECTED", INVALID_ARGUMENT)


LIMITS = [
    ("400 Bad Request", says("Too many tokens, please wait", type="ThrottlingException")),
    ("429 Too Many Requests", {}),
]
QUOTAS = [
    ("402 Payment Required", {}),
    ("402 Payment Required", says("whatever")),
    ("429 Too Many Requests", says("..", type="exceeded_current_quota_error")),
]


async def test_limits(subtests: pytest.Subtests) -> None:
    """Where waiting helps it is a rate limit, and where it does not it is the quota."""
    async with player() as upstream:
        for status, body in LIMITS:
            with subtests.test(status=status, body=body):
                got = await reject(upstream, status, body)
                assert (got.reason, got.code) == ("UPSTREAM_RATE_LIMITED", RESOURCE_EXHAUSTED)
        for status, body in QUOTAS:
            with subtests.test(status=status, body=body):
                got = await reject(upstream, status, body)
                assert got == Got("", "UPSTREAM_QUOTA_EXHAUSTED", RESOURCE_EXHAUSTED)
                assert upstream.error is not None
                assert dict(upstream.error.trailing_metadata() or ())[PUSHBACK] == "-1"


async def test_a_parameter_of_the_caller() -> None:
    """A rejected parameter that the caller set is named."""
    async with player() as upstream:
        got = await reject(upstream, "400 Bad Request", says("..", param="temperature"))
        assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT)
        assert upstream.error is not None
        assert violated_fields_of(upstream.error) == ["params.temperature"]


WAITS = [
    ("Retry-After: 45", 45.0),
    ("Retry-After: 9.5", 9.5),
    ("retry-after-ms: 9500\r\nRetry-After: 10", 9.5),
    ("x-ms-retry-after-ms: 9500", 9.5),
]


async def test_waits_in_every_form(subtests: pytest.Subtests) -> None:
    """The wait that an upstream asks for reaches the caller as RetryInfo, after one request."""
    async with player() as upstream:
        for headers, seconds in WAITS:
            with subtests.test(headers=headers):
                got = await reject(upstream, "429 Too Many Requests", {}, headers=headers)
                assert got == Got("", "UPSTREAM_RATE_LIMITED", RESOURCE_EXHAUSTED)
                assert upstream.error is not None
                assert retry_delay_of(upstream.error) == seconds
        date = email.utils.formatdate(time.time() + 100, usegmt=True)
        await reject(upstream, "429 Too Many Requests", {}, headers=f"Retry-After: {date}")
        assert upstream.error is not None
        assert 0 < (retry_delay_of(upstream.error) or 0) <= 100
        got = await reject(upstream, "503 Unavailable", {}, headers="Retry-After: 20")
        assert got == Got("", "UPSTREAM_ERROR", UNAVAILABLE)
        assert retry_delay_of(upstream.error) == 20.0


@pytest.mark.parametrize("status", [498, 425, 520, 521, 522, 523, 524, 525, 526, 527, 530])
async def test_statuses_after_which_a_retry_helps(status: int) -> None:
    """Every status that says that later helps is UNAVAILABLE, whatever its number."""
    async with player() as upstream:
        got = await reject(upstream, f"{status} x", says("Flex tier capacity exceeded"))
        assert (got.reason, got.code) == ("UPSTREAM_ERROR", UNAVAILABLE)
        assert got.requests <= 2
