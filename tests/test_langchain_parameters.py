"""What the parameters of a LangChain chat model become in a request."""

import json
from typing import Any

import pytest

from tokenwire_client import Effort, ServiceTier, ToolChoice
from tokenwire_client.langchain.parameters import request_options
from tokenwire_client.request import build_message


def test_parameters() -> None:
    """Each parameter is sent in its field, and None is not sent."""
    options = request_options(
        {
            "model": "m",
            "temperature": 0,
            "stop": "x",
            "top_p": None,
            "service_tier": "flex",
            "reasoning_effort": "low",
            "reasoning_max_tokens": 7,
            "show_reasoning": True,
            "logit_bias": {5: -1.0},
            "labels": {"tenant": "a"},
        }
    )
    made = build_message("hi", **options)
    assert (made.params.model, list(made.params.stop)) == ("m", ["x"])
    assert made.params.HasField("temperature")
    assert not made.params.HasField("top_p")
    assert made.params.service_tier == ServiceTier.SERVICE_TIER_FLEX
    assert made.reasoning.effort == Effort.EFFORT_LOW
    assert (made.reasoning.max_tokens, made.reasoning.show) == (7, True)
    assert dict(made.labels) == {"tenant": "a"}


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": True,
    },
}
MODE = ToolChoice.Mode
CHOICES: list[tuple[Any, ToolChoice]] = [
    ("auto", ToolChoice(mode=MODE.MODE_AUTO)),
    ("none", ToolChoice(mode=MODE.MODE_NONE)),
    ("any", ToolChoice(mode=MODE.MODE_REQUIRED)),
    (True, ToolChoice(mode=MODE.MODE_REQUIRED)),
    ("get_weather", ToolChoice(name="get_weather")),
    (
        {"type": "function", "function": {"name": "get_weather"}},
        ToolChoice(name="get_weather"),
    ),
]


@pytest.mark.parametrize(("choice", "expected"), CHOICES, ids=str)
def test_tools(choice: Any, expected: ToolChoice) -> None:
    """Tools and each way to choose one are sent."""
    made = build_message("hi", **request_options({"tools": [TOOL], "tool_choice": choice}))
    [tool] = made.tools
    assert (tool.name, tool.description, tool.strict) == ("get_weather", "The weather.", True)
    assert json.loads(tool.parameters)["properties"] == {"city": {"type": "string"}}
    assert made.tool_choice == expected


def test_parallel_calls() -> None:
    """Whether several tools may be called at once is sent without a choice too."""
    made = build_message("hi", **request_options({"tools": [TOOL], "parallel_tool_calls": False}))
    assert made.tool_choice == ToolChoice(parallel=False)


FORMATS: list[tuple[dict[str, Any], str]] = [
    ({"type": "json_object"}, "json"),
    ({"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}, "json_schema"),
]


@pytest.mark.parametrize(("response_format", "kind"), FORMATS, ids=str)
def test_formats(response_format: dict[str, Any], kind: str) -> None:
    """OpenAI's response formats are sent."""
    made = build_message("hi", **request_options({"response_format": response_format}))
    assert made.format.WhichOneof("kind") == kind


INVALID: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "unknown": ({"temprature": 1}, TypeError, "has no parameter 'temprature'"),
    "effort": ({"reasoning_effort": "lots"}, ValueError, "it must be one of none, minimal, low"),
    "tier": ({"service_tier": "gold"}, ValueError, "it must be one of auto, default, flex"),
    "tool": ({"tools": [{"type": "web_search"}]}, ValueError, "a tool of type 'web_search'"),
    "choice": ({"tools": [TOOL], "tool_choice": "other"}, ValueError, "a tool: get_weather"),
    "format": ({"response_format": {"type": "xml"}}, ValueError, "text, json_object or json_"),
}


@pytest.mark.parametrize(("parameters", "kind", "text"), INVALID.values(), ids=INVALID)
def test_invalid_parameters(parameters: dict[str, Any], kind: type[Exception], text: str) -> None:
    """A parameter that is not known, or whose value is not, raises an exception that names it."""
    with pytest.raises(kind, match=text):
        request_options(parameters)
