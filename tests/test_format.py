"""The form of the answer's text: what the upstream receives, and what is rejected."""

import json
from typing import Any

import grpc
import pytest

from support.helpers import violated_fields_of
from support.quirks import STOP, Got, Player, player, response, text
from tokenwire.v1 import chatgpt_pb2 as pb

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}}'

REGEX = pb.Format(regex="[a-z]+")
GRAMMAR = pb.Format(grammar='root ::= "x"')
CHOICES = pb.Format(choices=pb.Choices(values=["yes", "no"]))


def json_schema(**fields: Any) -> pb.Format:
    return pb.Format(json_schema=pb.JsonSchema(**fields))


SENT: list[tuple[str, pb.Format, dict[str, Any]]] = [
    (
        "none",
        json_schema(schema=SCHEMA),
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": json.loads(SCHEMA)},
            }
        },
    ),
    (
        "none",
        json_schema(name="place", schema=SCHEMA, strict=False),
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "place", "schema": json.loads(SCHEMA), "strict": False},
            }
        },
    ),
    ("none", pb.Format(json=True), {"response_format": {"type": "json_object"}}),
    ("structured_outputs", REGEX, {"structured_outputs": {"regex": "[a-z]+"}}),
    ("structured_outputs", GRAMMAR, {"structured_outputs": {"grammar": 'root ::= "x"'}}),
    ("structured_outputs", CHOICES, {"structured_outputs": {"choice": ["yes", "no"]}}),
    ("guided", REGEX, {"guided_regex": "[a-z]+"}),
    ("guided", GRAMMAR, {"guided_grammar": 'root ::= "x"'}),
    ("guided", CHOICES, {"guided_choice": ["yes", "no"]}),
    ("sglang", REGEX, {"regex": "[a-z]+"}),
    ("sglang", GRAMMAR, {"ebnf": 'root ::= "x"'}),
]
OTHER_FIELDS = {"messages", "model", "stream", "stream_options"}


async def send(upstream: Player, form: pb.Format) -> Got:
    """Make a call with a format."""
    return await upstream.play(response(text("x"), STOP), pb.Message(content="hello", format=form))


async def test_the_upstream_receives_the_format(subtests: pytest.Subtests) -> None:
    """JSON has OpenAI's form; other constraints have the form that the settings name."""
    for parameter in ("none", "structured_outputs", "guided", "sglang"):
        async with player(constraint_parameter=parameter) as upstream:
            for name, form, fields in SENT:
                if name == parameter:
                    with subtests.test(parameter=parameter, form=form):
                        assert await send(upstream, form) == Got("x")
                        body = json.loads(upstream.upstream.body)
                        assert {key: body[key] for key in body.keys() - OTHER_FIELDS} == fields


INVALID: list[tuple[str, str, pb.Format]] = [
    ("none", "format", pb.Format()),
    ("none", "format.json", pb.Format(json=False)),
    ("none", "format.regex", REGEX),
    ("none", "format.grammar", GRAMMAR),
    ("none", "format.choices", CHOICES),
    ("sglang", "format.choices", CHOICES),
    ("guided", "format.regex", pb.Format(regex="")),
    ("guided", "format.grammar", pb.Format(grammar="")),
    ("guided", "format.choices.values", pb.Format(choices=pb.Choices())),
    ("guided", "format.choices.values", pb.Format(choices=pb.Choices(values=["a", ""]))),
    ("guided", "format.choices.values", pb.Format(choices=pb.Choices(values=["a"] * 1_001))),
    ("guided", "format.choices.values", pb.Format(choices=pb.Choices(values=["a"] * 9_000))),
    ("none", "format.json_schema.schema", json_schema()),
    ("none", "format.json_schema.schema", json_schema(schema="[]")),
    ("none", "format.json_schema.schema", json_schema(schema='{"type":"string"}')),
    ("none", "format.json_schema.schema", json_schema(schema=f'{{"x":"{"x" * (1 << 19)}"}}')),
    ("none", "format.json_schema.name", json_schema(name="my place", schema=SCHEMA)),
]


async def test_what_is_rejected(subtests: pytest.Subtests) -> None:
    """Each mistake, and a form that the upstream lacks, is INVALID_PARAMETER with its field."""
    for parameter in ("none", "guided", "sglang"):
        async with player(constraint_parameter=parameter) as upstream:
            for name, field, form in INVALID:
                if name == parameter:
                    with subtests.test(parameter=parameter, field=field):
                        got = await send(upstream, form)
                        assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT, requests=0)
                        assert upstream.error is not None
                        assert violated_fields_of(upstream.error) == [field]


async def test_a_rejected_schema_is_the_callers() -> None:
    """An upstream that rejects the schema blames the field of the contract."""
    body = {"error": {"message": "Invalid schema", "param": "response_format"}}
    async with player() as upstream:
        got = await upstream.play(
            response(
                json.dumps(body).encode(),
                status="400 Bad Request",
                content_type="application/json",
            ),
            pb.Message(content="hello", format=json_schema(schema=SCHEMA)),
        )
        assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT)
        assert upstream.error is not None
        assert violated_fields_of(upstream.error) == ["format"]
