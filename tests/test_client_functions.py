"""The client's tools from functions, and formats from types."""

import asyncio
import dataclasses
import json
from typing import Annotated, Any

import grpc
import pydantic
import pytest
from pydantic import BaseModel, Field

from support.quirks import STOP, delta, finish, player, response, text
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_client import Answer, Client, ToolCall
from tokenwire_client.functions import Functions
from tokenwire_client.schemas import format_of, parse


class Place(BaseModel):
    """A place."""

    city: str
    country: str = "Norway"


def get_time(
    place: Place, zone: Annotated[str, Field(description="Such as CET.")] = "UTC", hours: int = 0
) -> str:
    """Return the time in a place.

    And more that the model does not need.
    """
    return f"{place.city}, {place.country}, {zone}, {hours}"


def get_numbers() -> list[int]:
    """Return numbers."""
    return [1, 2]


async def get_later(city: str) -> dict[str, str]:
    """Return a city, later."""
    await asyncio.sleep(0)
    return {"city": city}


def called(name: str, arguments: Any) -> ToolCall:
    """Return a call of the model."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return ToolCall(id="a", name=name, arguments=written)


def test_a_tool_has_the_functions_words_and_schema() -> None:
    """Name, first paragraph and schema of the arguments, with their descriptions and defaults."""
    [tool, bare] = Functions(get_time, get_numbers).tools
    assert (tool.name, tool.description) == ("get_time", "Return the time in a place.")
    schema = json.loads(tool.parameters)
    assert schema["type"] == "object"
    assert schema["required"] == ["place"]
    assert schema["properties"]["zone"] == {
        "type": "string",
        "description": "Such as CET.",
        "default": "UTC",
    }
    assert json.loads(bare.parameters)["properties"] == {}
    assert not tool.strict


def test_a_strict_tool_requires_everything() -> None:
    """Strict upstreams want every property required, no other allowed, and no defaults."""
    [tool] = Functions(get_time, strict=True).tools
    assert tool.strict
    schema = json.loads(tool.parameters)
    assert schema["required"] == ["place", "zone", "hours"]
    assert schema["additionalProperties"] is False
    [place] = schema["$defs"].values()
    assert place["required"] == ["city", "country"]
    assert place["additionalProperties"] is False
    assert '"default"' not in tool.parameters


async def test_a_call_is_run_with_valid_arguments() -> None:
    """Arguments have the types of the function; texts stay as they are, other results are JSON."""
    functions = Functions(get_time, get_numbers, get_later)
    turn = functions.call(called("get_time", {"place": {"city": "Oslo"}, "hours": "3"}))
    assert (turn.tool_call_id, turn.content) == ("a", "Oslo, Norway, UTC, 3")
    assert functions.call(called("get_numbers", "")).content == "[1,2]"
    later = await functions.acall(called("get_later", {"city": "Rome"}))
    assert json.loads(later.content) == {"city": "Rome"}
    with pytest.raises(TypeError, match="await `acall`"):
        functions.call(called("get_later", {"city": "Rome"}))


WRONG: dict[str, tuple[ToolCall, str]] = {
    "no such tool": (called("get_tim", {}), "there is no tool 'get_tim'; there are get_time"),
    "no object": (called("get_time", "[1]"), "the arguments must be a JSON object"),
    "no JSON": (called("get_time", "{"), "the arguments must be a JSON object"),
    "an argument too few": (called("get_time", {}), "place"),
    "an argument too many": (called("get_time", {"place": {"city": "x"}, "x": 1}), "x"),
    "another type": (called("get_time", {"place": 7}), "place"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_the_model_reads_what_was_wrong(wrong: tuple[ToolCall, str]) -> None:
    """A call that cannot be run has a result that says why, so that the model can call again."""
    call, words = wrong
    assert words in Functions(get_time).call(call).content


def test_what_a_function_raises_is_raised() -> None:
    """Failures of the function itself, validation errors of its own included, reach the caller."""

    def fail(city: str) -> str:
        if city == "invalid":
            Place.model_validate({})
        raise LookupError(city)

    functions = Functions(fail)
    with pytest.raises(LookupError):
        functions.call(called("fail", {"city": "x"}))
    with pytest.raises(pydantic.ValidationError):
        functions.call(called("fail", {"city": "invalid"}))


def test_functions_that_cannot_be_tools() -> None:
    """Each is rejected at once, with the argument and what to do."""

    def untyped(city) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001 - what is tested
        return str(city)

    def many(*cities: str) -> str:
        return str(cities)

    def nameless(city: str, /) -> str:
        return city

    def odd(city: grpc.Channel) -> str:
        return str(city)

    for function, words in ((untyped, "city"), (many, "cities"), (nameless, "`/`"), (odd, "odd")):
        with pytest.raises(TypeError, match=words):
            Functions(function)
    with pytest.raises(ValueError, match="get_time"):
        Functions(get_time, get_time)


def test_a_result_without_json() -> None:
    """A result that has no JSON names its type."""

    def get_thing() -> object:
        return object()

    with pytest.raises(TypeError, match="object, which has no JSON"):
        Functions(get_thing).call(called("get_thing", {}))


@dataclasses.dataclass
class Weather:
    """The weather."""

    city: str
    degrees: float


async def test_an_answer_becomes_a_value() -> None:
    """The upstream receives the type's schema, and the answer is read as the type."""
    async with player() as upstream:
        upstream.upstream.pieces = response(text('{"city": "Oslo", "degrees": 3}'), STOP)
        answer = await upstream.stub.Ask(
            pb.Message(content="hello", format=format_of(Weather, strict=True))
        )
        assert parse(answer, Weather) == Weather("Oslo", 3.0)
        sent = json.loads(upstream.upstream.body)["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"]) == ("answer", True)
    assert sent["schema"]["required"] == ["city", "degrees"]
    assert sent["schema"]["additionalProperties"] is False
    with pytest.raises(pydantic.ValidationError):
        parse(Answer(content='{"city": "Os'), Weather)


async def test_a_round_trip() -> None:
    """A client asks with functions, runs the model's calls, and gets the answer."""
    functions = Functions(get_later)
    function = {"name": "get_later", "arguments": '{"city":"Rome"}'}
    calls = [{"index": 0, "id": "a", "function": function}]
    async with player() as upstream, Client(upstream.address) as client:
        upstream.upstream.pieces = response(delta(tool_calls=calls), finish("tool_calls"))
        answer = await client.ask("hello", tools=functions.tools)
        results = [await functions.acall(call) for call in answer.tool_calls]
        assert [json.loads(each.content) for each in results] == [{"city": "Rome"}]
