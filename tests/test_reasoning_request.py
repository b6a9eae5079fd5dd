"""The upstream parameters for a reasoning request."""

import json
from typing import Any

import grpc
import pytest

from support.helpers import violated_fields_of
from support.quirks import STOP, Got, Player, player, response, text
from tokenwire.v1 import chatgpt_pb2 as pb

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT

SENT: dict[str, list[tuple[pb.Reasoning, dict[str, Any]]]] = {
    "reasoning_effort": [
        (pb.Reasoning(), {}),
        (pb.Reasoning(show=True), {}),
        (pb.Reasoning(effort=pb.EFFORT_NONE), {"reasoning_effort": "none"}),
        (pb.Reasoning(effort=pb.EFFORT_MINIMAL), {"reasoning_effort": "minimal"}),
        (pb.Reasoning(effort=pb.EFFORT_XHIGH), {"reasoning_effort": "xhigh"}),
    ],
    "reasoning": [
        (pb.Reasoning(effort=pb.EFFORT_LOW), {"reasoning": {"effort": "low"}}),
        (pb.Reasoning(max_tokens=9), {"reasoning": {"max_tokens": 9}}),
    ],
    "thinking": [
        (pb.Reasoning(effort=pb.EFFORT_NONE), {"thinking": {"type": "disabled"}}),
        (pb.Reasoning(effort=pb.EFFORT_NONE, max_tokens=9), {"thinking": {"type": "disabled"}}),
        (pb.Reasoning(effort=pb.EFFORT_HIGH), {"thinking": {"type": "enabled"}}),
        (pb.Reasoning(max_tokens=9), {"thinking": {"type": "enabled", "budget_tokens": 9}}),
    ],
    "chat_template_kwargs": [
        (
            pb.Reasoning(effort=pb.EFFORT_NONE),
            {"chat_template_kwargs": {"enable_thinking": False}},
        ),
        (
            pb.Reasoning(effort=pb.EFFORT_HIGH),
            {"chat_template_kwargs": {"enable_thinking": True}},
        ),
    ],
}

OTHER_FIELDS = {"messages", "model", "stream", "stream_options"}


async def send(upstream: Player, reasoning: pb.Reasoning) -> Got:
    """Make a call with these reasoning parameters."""
    message = pb.Message(content="hello", reasoning=reasoning)
    return await upstream.play(response(text("x"), STOP), message)


@pytest.mark.parametrize("parameter", SENT)
async def test_each_upstream_receives_its_own_parameter(
    parameter: str, subtests: pytest.Subtests
) -> None:
    """Reasoning is requested with the parameter that the settings name, and with no other."""
    async with player(reasoning_parameter=parameter) as upstream:
        for reasoning, fields in SENT[parameter]:
            with subtests.test(reasoning=reasoning):
                assert await send(upstream, reasoning) == Got("x")
                sent = json.loads(upstream.upstream.body)
                assert {key: sent[key] for key in sent.keys() - OTHER_FIELDS} == fields


@pytest.mark.parametrize("parameter", ["reasoning_effort", "chat_template_kwargs"])
async def test_a_limit_that_the_upstream_lacks(parameter: str) -> None:
    """A limit on reasoning tokens is rejected, without a request, if the upstream lacks it."""
    async with player(reasoning_parameter=parameter) as upstream:
        got = await send(upstream, pb.Reasoning(max_tokens=9))
        assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT, requests=0)
        assert upstream.error is not None
        assert violated_fields_of(upstream.error) == ["reasoning.max_tokens"]


@pytest.mark.parametrize(
    ("field", "value"), [("effort", 7), ("effort", -1), ("max_tokens", 0), ("max_tokens", -5)]
)
async def test_values_out_of_range(field: str, value: int) -> None:
    """An undefined effort and a limit below 1 are rejected with the name of the field."""
    async with player(reasoning_parameter="reasoning") as upstream:
        reasoning = pb.Reasoning.FromString(_encoded(field, value))
        got = await send(upstream, reasoning)
        assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT, requests=0)
        assert upstream.error is not None
        assert violated_fields_of(upstream.error) == [f"reasoning.{field}"]


def _encoded(field: str, value: int) -> bytes:
    """Return a serialized Reasoning with this field value, which may be outside of its enum."""
    reasoning = pb.Reasoning()
    setattr(reasoning, field, value)
    return reasoning.SerializeToString()


async def test_a_rejected_effort_is_the_callers() -> None:
    """If the upstream rejects the effort, the error names the field of the contract."""
    body = {"error": {"message": "Unsupported value", "param": "reasoning_effort"}}
    async with player() as upstream:
        got = await upstream.play(
            response(
                json.dumps(body).encode(),
                status="400 Bad Request",
                content_type="application/json",
            ),
            pb.Message(content="hello", reasoning=pb.Reasoning(effort=pb.EFFORT_XHIGH)),
        )
        assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT)
        assert upstream.error is not None
        assert violated_fields_of(upstream.error) == ["reasoning.effort"]
