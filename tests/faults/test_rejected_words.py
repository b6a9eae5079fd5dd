"""Rows 8 to 16 in the wording of many upstreams; rows 10 and 12 where the caller is at fault."""

import json
from typing import Any

import grpc
import pytest

from support.app import MODEL
from support.helpers import sample, scrape, violated_fields_of
from support.world import World, open_world
from tokenwire.v1 import chatgpt_pb2 as pb

FAILED_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
INTERNAL = grpc.StatusCode.INTERNAL
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED

PUSHBACK = "grpc-retry-pushback-ms"


def status(number: int, body: object) -> str:
    """Return the plan of a response with exactly this JSON."""
    return f"status {number} raw={json.dumps(json.dumps(body))}"


def says(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": f"{message} canary-body", **fields}}


async def fails_once(
    world: World, plan: str, code: grpc.StatusCode, reason: str, **options: Any
) -> grpc.aio.AioRpcError:
    """Check that the call fails as given, without a token or a retry; return the error."""
    before = world.upstream.requests_seen
    answers, error = await world.fails(plan, code, reason, **options)
    assert answers == []
    assert world.upstream.requests_seen == before + 1
    return error


async def test_row_8_in_other_words(saved_up: World) -> None:
    """A prompt that is too long, in another upstream's wording, is PROMPT_TOO_LONG."""
    body = says("maximum prompt length is 1000 but the request contains 1200 tokens")
    await fails_once(saved_up, status(400, body), INVALID_ARGUMENT, "PROMPT_TOO_LONG")


async def test_row_8_is_no_throttling(world: World) -> None:
    """Throttling because of too many tokens is UPSTREAM_RATE_LIMITED, not PROMPT_TOO_LONG."""
    body = says("Too many tokens, please wait", type="ThrottlingException")
    plan = status(400, body)
    await fails_once(world, plan, RESOURCE_EXHAUSTED, "UPSTREAM_RATE_LIMITED")


@pytest.mark.parametrize(
    "body",
    [
        says("Input data may contain inappropriate content", code="data_inspection_failed"),
        {"detail": "Content Exists Risk"},
    ],
)
async def test_row_9_in_other_words(saved_up: World, body: object) -> None:
    """A prompt against a policy, in another upstream's wording, is PROMPT_REJECTED."""
    await fails_once(saved_up, status(400, body), INVALID_ARGUMENT, "PROMPT_REJECTED")


PARAMETERS = [
    ("temperature", pb.Params(temperature=1.5), "params.temperature"),
    ("max_tokens", pb.Params(max_tokens=9_000), "params.max_tokens"),
    ("max_completion_tokens", pb.Params(max_tokens=9_000), "params.max_tokens"),
    ("stop[0]", pb.Params(stop=["x"], temperature=1), "params.stop"),
    ("seed", pb.Params(seed=0), "params.seed"),
    ("user", pb.Params(user="canary"), "params.user"),
    ("top_p", pb.Params(top_p=0.5), "params.top_p"),
    ("frequency_penalty", pb.Params(frequency_penalty=0), "params.frequency_penalty"),
    ("presence_penalty", pb.Params(presence_penalty=1), "params.presence_penalty"),
]


@pytest.mark.parametrize(("param", "params", "field"), PARAMETERS)
async def test_row_10_a_parameter_of_the_caller(
    saved_up: World, param: str, params: pb.Params, field: str
) -> None:
    """A parameter of the caller that the upstream rejects is INVALID_PARAMETER, with its name."""
    plan = f"status 400 param={param} message=canary-body"
    options = {"params": params}
    error = await fails_once(saved_up, plan, INVALID_ARGUMENT, "INVALID_PARAMETER", **options)
    assert violated_fields_of(error) == [field]


@pytest.mark.parametrize(
    ("param", "params"),
    [
        ("temperature", pb.Params()),
        ("temperature", pb.Params(top_p=0.5, user="canary")),
        ("canary-param", pb.Params(temperature=1)),
        ("model", pb.Params(model=MODEL)),
    ],
)
async def test_row_10_a_parameter_that_the_caller_did_not_set(
    monkeypatch: pytest.MonkeyPatch, param: str, params: pb.Params
) -> None:
    """A rejected parameter that the caller did not set is UPSTREAM_REJECTED_REQUEST."""
    async with open_world(monkeypatch, temperature=1.5) as world:
        plan = f"status 400 param={param} message=canary-body"
        await fails_once(world, plan, INTERNAL, "UPSTREAM_REJECTED_REQUEST", params=params)


@pytest.mark.parametrize("number", [404, 403, 400])
async def test_row_12_a_model_of_the_caller(saved_up: World, number: int) -> None:
    """A model that only the caller named and the upstream lacks is UNKNOWN_MODEL."""
    plan = f"status {number} code=model_not_found message=canary-body"
    options = {"params": pb.Params(model="invented")}
    error = await fails_once(saved_up, plan, INVALID_ARGUMENT, "UNKNOWN_MODEL", **options)
    assert violated_fields_of(error) == ["params.model"]


@pytest.mark.parametrize("model", ["", MODEL, "listed"])
async def test_row_12_a_model_of_the_settings(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    """A missing model of the settings is UPSTREAM_MODEL_NOT_FOUND, even if the caller names it."""
    async with open_world(monkeypatch, models="listed") as world:
        params = pb.Params(model=model)
        reason = "UPSTREAM_MODEL_NOT_FOUND"
        await fails_once(world, "status 404", FAILED_PRECONDITION, reason, params=params)


@pytest.mark.parametrize(
    ("plan", "params", "reason"),
    [
        ("status 404", pb.Params(model="invented"), "UNKNOWN_MODEL"),
        ("status 400 param=temperature", pb.Params(temperature=2), "INVALID_PARAMETER"),
    ],
)
async def test_rows_10_and_12_leave_the_objective_alone(
    world: World, plan: str, params: pb.Params, reason: str
) -> None:
    """A failure caused by the caller counts as a rejection, not as an error."""
    await world.fails(plan, INVALID_ARGUMENT, reason, params=params)
    metrics = await scrape(world.app)
    assert sample(metrics, "tokenwire_rejected_total", reason=reason) == 1
    lines = [line for line in metrics.splitlines() if not line.endswith(" 0.0")]
    assert not any('outcome="error"' in line for line in lines)
    assert not any(line.startswith("tokenwire_upstream_errors_total") for line in lines)


@pytest.mark.parametrize(
    "plan",
    [
        "status 402 body=empty",
        "status 402 body=html",
        status(402, says("Insufficient Balance")),
        status(429, says("You exceeded your quota", type="exceeded_current_quota_error")),
        status(429, says("Account balance is too low, please recharge")),
        status(400, says("Your credit balance is too low")),
    ],
)
async def test_row_15_in_other_words(saved_up: World, plan: str) -> None:
    """An exhausted balance or quota is UPSTREAM_QUOTA_EXHAUSTED, and is not retried."""
    error = await fails_once(saved_up, plan, RESOURCE_EXHAUSTED, "UPSTREAM_QUOTA_EXHAUSTED")
    assert dict(error.trailing_metadata() or ())[PUSHBACK] == "-1"
