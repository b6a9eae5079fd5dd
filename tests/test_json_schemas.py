"""JSON Schemas of tools and formats: what is accepted as one, and what a rejection says."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.helpers import violations_of
from support.listening import listening
from support.quirks import STOP, Got, player, response, text
from tokenwire.core import json_schemas
from tokenwire.core.json_schemas import MAX_CHECKED_OBJECTS, problem_of
from tokenwire.v1 import chatgpt_pb2 as pb


def of_property(**keywords: Any) -> dict[str, Any]:
    """Return the schema of an object with one property of these keywords."""
    return {"type": "object", "properties": {"canary": keywords}}


ACCEPTED: dict[str, dict[str, Any]] = {
    "keywords of draft 2020-12": of_property(
        type=["array", "null"],
        prefixItems=[{"type": "string"}, True],
        items=False,
        minItems=1,
        contains={"const": 1},
        dependentSchemas={"a": {}},
    ),
    "keywords of draft 7": of_property(
        items=[{"type": "string"}], dependencies={"a": ["b"], "c": {}}, definitions={"a": {}}
    ),
    "keywords of draft 4": of_property(minimum=0, exclusiveMinimum=True),
    "references and definitions": {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/tree"}},
        "$defs": {"tree": {"properties": {"children": {"items": {"$ref": "#/$defs/tree"}}}}},
    },
    "alternatives": of_property(anyOf=[{"type": "string"}, {"type": "null"}], default=None),
    "conditions": {"type": "object", "if": {"required": ["a"]}, "then": True, "else": {"not": {}}},
    "lengths with a fraction of zero": of_property(minLength=1.0, maxLength=2),
    "a large number": of_property(maximum=10**40, multipleOf=0.01),
    "values of an enumeration of any type": of_property(enum=["a", 1, None, {"type": 7}, [[]]]),
    "unknown keywords": of_property(nullable=True, **{"x-order": {"type": 7}}),
    "properties with names of keywords": {
        "type": "object",
        "properties": {"type": {"type": "string"}, "required": {}, "$ref": True},
    },
}
REJECTED: dict[str, tuple[dict[str, Any], str]] = {
    "no type": (of_property(type="canary"), "$.properties[...].type"),
    "a type of Python": (of_property(type="str"), "$.properties[...].type"),
    "a type of types": (of_property(type=["string", "canary"]), "$.properties[...].type[1]"),
    "required within a property": (of_property(required=True), "$.properties[...].required"),
    "a required number": ({"type": "object", "required": [1]}, "$.required[0]"),
    "properties in a list": ({"type": "object", "properties": ["canary"]}, "$.properties"),
    "a property that is a text": (
        {"type": "object", "properties": {"canary": "string"}},
        "$.properties[...]",
    ),
    "items that are a text": (of_property(items="canary"), "$.properties[...].items"),
    "an enumeration that is a text": (of_property(enum="canary"), "$.properties[...].enum"),
    "alternatives that are an object": (of_property(anyOf={}), "$.properties[...].anyOf"),
    "a schema that is null": ({"type": "object", "not": None}, "$.not"),
    "a length below zero": (of_property(minLength=-1), "$.properties[...].minLength"),
    "a limit that is a text": (of_property(maximum="9"), "$.properties[...].maximum"),
    "a pattern that is a number": (of_property(pattern=1), "$.properties[...].pattern"),
    "a reference that is an object": (of_property(**{"$ref": {}}), "$.properties[...].$ref"),
    "a definition that is a list": ({"type": "object", "$defs": {"canary": []}}, "$.$defs[...]"),
    "a place within the value": (of_property(type="x - at `$.y`"), "$.properties[...].type"),
}


def messages(schema: str) -> dict[str, pb.Message]:
    """Return a message for each field that has a schema, by the path of the field."""
    form = pb.Format(json_schema=pb.JsonSchema(schema=schema))
    return {
        "tools[0].parameters": pb.Message(
            content="hello", tools=[pb.Tool(name="a", parameters=schema)]
        ),
        "format.json_schema.schema": pb.Message(content="hello", format=form),
    }


async def test_schemas_of_each_draft_are_accepted(subtests: pytest.Subtests) -> None:
    """What any draft from 4 to 2020-12 allows reaches the upstream."""
    async with player() as upstream:
        for name, schema in ACCEPTED.items():
            for field, message in messages(json.dumps(schema)).items():
                with subtests.test(name=name, field=field):
                    assert await upstream.play(response(text("x"), STOP), message) == Got("x")
                    sent = json.loads(upstream.upstream.body)
                    assert json.dumps(schema) in json.dumps(sent)


async def test_a_rejection_says_where_the_schema_is_wrong(subtests: pytest.Subtests) -> None:
    """The field and the keyword are named, the value is not, and nothing is asked upstream."""
    async with player() as upstream:
        for name, (schema, place) in REJECTED.items():
            for field, message in messages(json.dumps(schema)).items():
                with subtests.test(name=name, field=field):
                    got = await upstream.play(response(text("x"), STOP), message)
                    assert got.reason == "INVALID_PARAMETER"
                    assert got.requests == 0
                    assert upstream.error is not None
                    [violation] = violations_of(upstream.error)
                    assert violation.field == field
                    assert f"the value at `{place}` " in violation.description
                    assert "canary" not in violation.description


async def test_no_reference_is_fetched() -> None:
    """An address in a schema gets no connection, whatever keyword has it."""
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        connections.append(writer)

    async with listening(serve) as (host, port), player() as upstream:
        address = f"http://{host}:{port}/schema"
        schema = {"$schema": address, "$id": address, **of_property(**{"$ref": address})}
        for message in messages(json.dumps(schema)).values():
            assert await upstream.play(response(text("x"), STOP), message) == Got("x")
    assert not connections


def test_expressions_are_not_compiled() -> None:
    """An expression that is wrong, or takes forever, is left to the upstream."""
    assert not problem_of(json.dumps(of_property(pattern="(", default="x")))
    assert not problem_of(json.dumps(of_property(pattern="(a+)+$", const="a" * 10_000)))


def test_a_schema_that_is_too_deep() -> None:
    """A schema that is nested too deeply is rejected, and not by a crash."""
    assert problem_of('{"not":' * 10_000 + "{}" + "}" * 10_000) == "nested too deeply"


def test_a_large_schema_is_left_to_the_upstream() -> None:
    """Above the limit of objects, a schema is not checked, because that would take too long."""
    wrong = of_property(type="canary")
    at_limit = wrong | {"anyOf": [{}] * (MAX_CHECKED_OBJECTS - 3)}
    assert problem_of(json.dumps(at_limit))
    above = wrong | {"anyOf": [{}] * (MAX_CHECKED_OBJECTS - 2)}
    assert not problem_of(json.dumps(above))


KEYWORDS = st.sampled_from(
    [each.encode_name for each in msgspec.structs.fields(json_schemas._Schema)] + ["canary"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.just("canary"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS, inner, max_size=4),
    max_leaves=12,
)


@given(schema=st.dictionaries(KEYWORDS, JSON, max_size=5))
def test_any_object_is_accepted_or_explained(schema: dict[str, Any]) -> None:
    """Whatever a schema has, the check ends without an exception and repeats none of its text."""
    assert "canary" not in problem_of(json.dumps(schema))
