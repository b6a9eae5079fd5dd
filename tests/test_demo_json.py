"""JSON as the form of the simulator's answers, in both APIs."""

import json
from typing import Any

import jsonschema_rs
import pytest

from support.model_client import APIS, asked, post
from tokenwire_demo import DemoUpstream

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "when": {"type": "string", "format": "date"},
        "marks": {"type": "array", "items": {"$ref": "#/$defs/mark"}, "minItems": 2},
    },
    "required": ["name", "when", "marks"],
    "additionalProperties": False,
    "$defs": {"mark": {"type": "integer", "minimum": 2}},
}
EXPECTED = {"name": "simulated", "when": "2026-01-02", "marks": [2, 2]}


def of_form(api: str, kind: str, schema: object = None) -> dict[str, Any]:
    """Return the fields that ask for a form of the answer."""
    own = {"name": "form", "schema": schema, "strict": True} if schema is not None else {}
    if api == "responses":
        return {"text": {"format": {"type": kind, **own}}}
    return {"response_format": {"type": kind, **({"json_schema": own} if own else {})}}


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("stream", [True, False])
async def test_a_schema_is_honoured(upstream: DemoUpstream, api: str, *, stream: bool) -> None:
    """The text is JSON of the schema, and a stream has it in pieces that usage counts."""
    form = of_form(api, "json_schema", SCHEMA)
    answer = await asked(upstream, api, stream=stream, **form)
    value = json.loads(answer.text)
    jsonschema_rs.validator_for(SCHEMA).validate(value)
    assert value == EXPECTED
    assert answer.usage == (7, 0)
    assert len(answer.pieces) == (7 if stream else 0)
    assert answer.finish in ("stop", "completed")


async def test_any_json_object_has_the_usual_text(upstream: DemoUpstream, api: str) -> None:
    """`json_object` gets an object with the answer, `text` the answer itself."""
    usual = await asked(upstream, api, stream=False, **of_form(api, "text"))
    answer = await asked(upstream, api, stream=False, **of_form(api, "json_object"))
    assert json.loads(answer.text) == {"simulated": True, "answer": usual.text}


async def test_limits_and_stops_cut_json_as_they_cut_text(upstream: DemoUpstream) -> None:
    """A limit of tokens and a stop string end the JSON text in the middle."""
    form = of_form("chat", "json_schema", SCHEMA)
    short = await asked(upstream, "chat", stream=False, max_tokens=2, **form)
    assert (short.text, short.finish) == ('{"name": "simulated",', "length")
    stopped = await asked(upstream, "chat", stream=False, stop=" 2", **form)
    assert stopped.text == '{"name": "simulated", "when": "2026-01-02", "marks": [2,'


async def test_characters_that_utf8_lacks_are_escaped(upstream: DemoUpstream) -> None:
    """A lone surrogate of the schema stays one in the value; other characters are sent plain."""
    for value, text in (("\ud800é", '"\\ud800\\u00e9"'), ("é", '"é"')):
        form = of_form("chat", "json_schema", {"const": value})
        answer = await asked(upstream, "chat", stream=False, **form)
        assert answer.text == text


REFUSED: list[tuple[object, str]] = [
    ({"type": "string", "minLength": 1_000_000_000}, "minLength is 1000000000"),
    ({"type": "array", "minItems": 1_000_000_000}, "minItems is 1000000000"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "refers to itself"),
    ({"properties": {"a": {"pattern": "x"}}, "required": ["a"]}, "properties.a: the demo model"),
    ({"enum": ["x" * 300_000]}, "must have at most 200000 characters"),
    ({"const": "x" * 150_000}, "more than 100000 characters"),
    ("text", "a schema must be a JSON object"),
]


async def test_a_schema_without_an_instance_is_a_400(
    upstream: DemoUpstream, api: str, subtests: pytest.Subtests
) -> None:
    """The error names the parameter and what is wrong with the schema."""
    param = {"chat": "response_format.json_schema.schema", "responses": "text.format.schema"}[api]
    turns = [{"role": "user", "content": "x"}]
    prompt: dict[str, Any] = {"messages": turns} if api == "chat" else {"input": turns}
    for schema, said in REFUSED:
        with subtests.test(said=said):
            form = of_form(api, "json_schema", schema)
            response = await post(upstream, api, {"model": "m", **prompt, **form})
            error = response.json()["error"]
            assert (response.status_code, error["param"]) == (400, param)
            assert said in error["message"]


MALFORMED: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"response_format": {"type": "yaml"}}, "response_format"),
    ("chat", {"response_format": {"type": "json_schema"}}, "response_format"),
    ("chat", {"response_format": "json"}, "response_format"),
    ("responses", {"text": {"format": {"type": "json_schema"}}}, "text.format"),
    ("responses", {"text": "json"}, "text"),
]


async def test_a_malformed_form_is_a_400(upstream: DemoUpstream) -> None:
    """The error names the parameter."""
    for api, fields, param in MALFORMED:
        turns = [{"role": "user", "content": "x"}]
        prompt: dict[str, Any] = {"messages": turns} if api == "chat" else {"input": turns}
        response = await post(upstream, api, {"model": "m", **prompt, **fields})
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)
