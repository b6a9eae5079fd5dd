"""What the responses API lacks, and the upstream's rejections of what it has."""

import json
from typing import Any

import grpc
import pytest

from support.helpers import violated_fields_of
from support.quirks import Got, player, response
from support.response_events import END, play, text
from tokenwire.v1 import chatgpt_pb2 as pb

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
SCHEMA = '{"type":"object"}'

ABSENT: list[tuple[str, pb.Message]] = [
    ("params.stop", pb.Message(params=pb.Params(stop=["x"]))),
    ("params.seed", pb.Message(params=pb.Params(seed=0))),
    ("params.frequency_penalty", pb.Message(params=pb.Params(frequency_penalty=0))),
    ("params.presence_penalty", pb.Message(params=pb.Params(presence_penalty=1))),
    ("reasoning.max_tokens", pb.Message(reasoning=pb.Reasoning(max_tokens=9))),
    ("format.regex", pb.Message(format=pb.Format(regex="[a-z]"))),
    ("format.choices", pb.Message(format=pb.Format(choices=pb.Choices(values=["a"])))),
]


async def test_what_the_dialect_lacks_is_rejected_by_name(subtests: pytest.Subtests) -> None:
    """A parameter that the responses API lacks is INVALID_PARAMETER, and nothing is asked."""
    async with player(dialect="responses") as upstream:
        for field, message in ABSENT:
            with subtests.test(field=field):
                message.content = "hello"
                got = await play(upstream, text("x"), END, message=message)
                assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT, requests=0)
                assert upstream.error is not None
                assert violated_fields_of(upstream.error) == [field]


ASKS = pb.Message(
    content="hello",
    params=pb.Params(temperature=1, top_p=1, max_tokens=1, user="u"),
    reasoning=pb.Reasoning(effort=pb.EFFORT_LOW, show=True),
    format=pb.Format(json_schema=pb.JsonSchema(schema=SCHEMA)),
)

BY_NAME: list[tuple[str, str]] = [
    ("max_output_tokens", "params.max_tokens"),
    ("temperature", "params.temperature"),
    ("top_p", "params.top_p"),
    ("user", "params.user"),
    ("text.format", "format"),
    ("text.format.schema", "format"),
    ("text.format.name", "format"),
    ("reasoning.effort", "reasoning.effort"),
    ("reasoning.summary", "reasoning.show"),
]


def rejected(message: str, **fields: Any) -> list[Any]:
    """Return a response with status 400 and this error."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    body = json.dumps({"error": error | fields}).encode()
    return response(body, status="400 Bad Request", content_type="application/json")


async def test_a_rejected_value_is_the_callers(subtests: pytest.Subtests) -> None:
    """The names of the responses API are mapped to the fields of the contract."""
    async with player(dialect="responses") as upstream:
        for param, field in BY_NAME:
            with subtests.test(param=param):
                got = await upstream.play(
                    rejected("Unsupported value.", param=param, code="unsupported_value"), ASKS
                )
                assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT)
                assert upstream.error is not None
                assert violated_fields_of(upstream.error) == [field]


async def test_a_rejected_value_that_the_caller_did_not_set() -> None:
    """A rejection of what the service itself has sent is not the caller's."""
    async with player(dialect="responses") as upstream:
        asks = pb.Message(content="hello", reasoning=pb.Reasoning(effort=pb.EFFORT_LOW))
        pieces = rejected("Encrypted content is not supported with this model.", param="include")
        got = await upstream.play(pieces, asks)
        assert got == Got("", "UPSTREAM_REJECTED_REQUEST", grpc.StatusCode.INTERNAL)


PROMPTS: list[tuple[dict[str, Any], str]] = [
    (
        {
            "message": "Your input exceeds the context window of this model.",
            "param": "input",
            "code": "context_length_exceeded",
        },
        "PROMPT_TOO_LONG",
    ),
    (
        {
            "message": "Invalid 'input[2].content': string too long.",
            "param": "input[2].content",
            "code": "string_above_max_length",
        },
        "PROMPT_TOO_LONG",
    ),
    (
        {"message": "Invalid prompt: it was flagged.", "param": "input", "code": "invalid_prompt"},
        "PROMPT_REJECTED",
    ),
]


async def test_a_rejected_input_is_a_rejected_prompt(subtests: pytest.Subtests) -> None:
    """An error about `input` is one about the prompt."""
    async with player(dialect="responses") as upstream:
        for error, reason in PROMPTS:
            with subtests.test(error=error):
                got = await upstream.play(rejected(**error), ASKS)
                assert got == Got("", reason, INVALID_ARGUMENT)


async def test_a_format_is_not_the_prompt() -> None:
    """A schema that is too long does not make the prompt too long."""
    async with player(dialect="responses") as upstream:
        too_long = rejected("The schema is too long.", param="text.format.schema")
        got = await upstream.play(too_long, ASKS)
        assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT)
