"""An error within a response of status 200 is an error, however it is wrapped."""

import json

import grpc
import pytest

from support.quirks import DONE, STOP, Got, choice, event, finish, player, response, text
from support.raw_upstream import Piece

ABORTED = grpc.StatusCode.ABORTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

ERROR = {"message": "..", "code": 400}

WRAPPED: dict[str, list[Piece]] = {
    "an object": [event({"error": ERROR}), DONE],
    "beside empty choices": [
        event({"id": "g", "choices": [], "error": {"code": 502, "message": ".."}}),
        DONE,
    ],
    "with a finish reason": [
        event(
            {
                "choices": [{"delta": {"content": ""}, "finish_reason": "error"}],
                "error": {"code": 502},
            }
        ),
        DONE,
    ],
    "a code as a string, without [DONE]": [event({"error": {"message": "..", "code": "500"}})],
    "flat": [event({"object": "error", "message": "..", "code": 500}), DONE],
    "flat, with a type": [
        event({"type": "error", "message": "..", "code": "server_error"}),
        DONE,
    ],
    "an event of that name": [
        b"event: error\n" + event({"code": "request_timeout", "type": "invalid_request_error"}),
        DONE,
    ],
    "the name of the field": [f"error: {json.dumps(ERROR)}\n\n".encode(), DONE],
    "a bare body": [json.dumps({"error": ERROR}).encode() + b"\n"],
    "a string": [event({"error": "overloaded"}), DONE],
    "a bare flat body": [json.dumps({"object": "error", "message": ".."}).encode()],
}


async def test_errors_are_errors(subtests: pytest.Subtests) -> None:
    """Before the model begins it is UNAVAILABLE, and after text ABORTED with that text."""
    async with player() as upstream:
        for name, body in WRAPPED.items():
            with subtests.test(name, after="nothing"):
                got = await upstream.play(response(*body))
                assert (got.text, got.reason, got.code) == ("", "UPSTREAM_ERROR", UNAVAILABLE)
                assert got.requests <= 2
            with subtests.test(name, after="text"):
                got = await upstream.play(response(text("half"), *body))
                assert got == Got("half", "UPSTREAM_ERROR", ABORTED)


@pytest.mark.parametrize("empty", [None, {}, "", [], 0, False])
async def test_an_empty_error_is_none(empty: object) -> None:
    """A null or empty error beside text changes nothing."""
    async with player() as upstream:
        body = event({"choices": [{"delta": {"content": "a"}}], "error": empty})
        assert await upstream.play(response(body, STOP)) == Got("a")


MEANINGS = {
    "a rate limit": (
        {"message": "slow down", "code": "rate_limit_exceeded"},
        ("UPSTREAM_RATE_LIMITED", grpc.StatusCode.RESOURCE_EXHAUSTED),
    ),
    "a rate limit by number": (
        {"message": "..", "code": 429},
        ("UPSTREAM_RATE_LIMITED", grpc.StatusCode.RESOURCE_EXHAUSTED),
    ),
    "the quota": (
        {"message": "..", "code": "insufficient_quota"},
        ("UPSTREAM_QUOTA_EXHAUSTED", grpc.StatusCode.RESOURCE_EXHAUSTED),
    ),
    "overload": (
        {"message": "..", "type": "overloaded_error"},
        ("UPSTREAM_ERROR", UNAVAILABLE),
    ),
    "the caller": (
        {"message": "invalid temperature", "param": "temperature", "code": 400},
        ("UPSTREAM_ERROR", UNAVAILABLE),
    ),
}


async def test_an_error_may_say_a_row_of_its_own(subtests: pytest.Subtests) -> None:
    """Rate limits and quotas are reported as such, and nothing blames the caller."""
    async with player() as upstream:
        for name, (error, right) in MEANINGS.items():
            with subtests.test(name):
                got = await upstream.play(response(event({"error": error}), DONE))
                assert (got.reason, got.code) == right


async def test_finish_reasons_that_are_failures(subtests: pytest.Subtests) -> None:
    """A reason that means an interruption fails the answer, in any provider's words."""
    async with player() as upstream:
        for end in ("abort", "network_error", "error"):
            with subtests.test(end=end):
                got = await upstream.play(response(text("half"), finish(end), DONE))
                assert got == Got("half", "UPSTREAM_ERROR", ABORTED)
        native = choice(
            delta={}, finish_reason="error", native_finish_reason="MALFORMED_FUNCTION_CALL"
        )
        got = await upstream.play(response(text("half"), native, DONE))
        assert got == Got("half", "UPSTREAM_ERROR", ABORTED)
        got = await upstream.play(response(finish("error"), DONE))
        assert (got.text, got.reason, got.code) == ("", "UPSTREAM_ERROR", UNAVAILABLE)
