"""The tool calls that the demo model makes on its own, in both APIs."""

import json
from typing import Any

import pytest

from support.model_client import APIS, Joined, asked, post
from tokenwire_demo import DemoUpstream

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ZONE = {"type": "object", "properties": {"zone": {"enum": ["UTC"]}, "days": {"type": "integer"}}}
FUNCTIONS = {"get_weather": CITY, "getTime": ZONE, "add": None}
QUESTION = "What are the weather and the time in Paris?"


def tools(api: str, functions: dict[str, Any] = FUNCTIONS) -> list[dict[str, Any]]:
    """Return tools in the form of the API."""
    made = []
    for name, parameters in functions.items():
        own = {"name": name} | ({"parameters": parameters} if parameters is not None else {})
        one = {"type": "function"}
        made.append({**one, **own} if api == "responses" else {**one, "function": own})
    return made


def chosen(api: str, name: str) -> dict[str, Any]:
    """Return the choice of a tool."""
    own = {"name": name}
    return {"type": "function", **(own if api == "responses" else {"function": own})}


def names(answer: Joined) -> list[str]:
    return [name for _, name, _ in answer.calls]


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("stream", [True, False])
async def test_the_tools_of_the_question_are_called(
    upstream: DemoUpstream, api: str, *, stream: bool
) -> None:
    """Each named tool is called, with arguments of its schema, which a stream has in pieces."""
    answer = await asked(upstream, api, QUESTION, stream=stream, tools=tools(api))
    assert answer.calls == [
        ("call_demo_1", "get_weather", '{"city": "Paris"}'),
        ("call_demo_2", "getTime", '{"zone": "UTC", "days": 1}'),
    ]
    if stream:
        pieces = ['{"city":', ' "Paris"}', '{"zone":', ' "UTC",', ' "days":', " 1}"]
        assert answer.call_pieces == pieces
    assert answer.text == ""
    assert answer.finish == {"chat": "tool_calls", "responses": "completed"}[api]
    assert answer.usage == (8, 0)


CHOICES: list[tuple[str, Any, bool, list[str]]] = [
    (QUESTION, "auto", True, ["get_weather", "getTime"]),
    (QUESTION, "auto", False, ["get_weather"]),
    (QUESTION, "none", True, []),
    (QUESTION, "required", True, ["get_weather", "getTime"]),
    (QUESTION, "add", True, ["add"]),
    ("hello", "auto", True, []),
    ("hello", "required", True, ["get_weather"]),
    ("Please add 3", "auto", True, ["add"]),
    ("Call GETTIME", "auto", True, ["getTime"]),
    ("Get it", "auto", True, []),
]


@pytest.mark.parametrize(("text", "choice", "parallel", "expected"), CHOICES)
async def test_the_choice_of_the_request_is_honoured(  # noqa: PLR0913 - one row of the table
    upstream: DemoUpstream,
    api: str,
    text: str,
    choice: str,
    *,
    parallel: bool,
    expected: list[str],
) -> None:
    """`tool_choice` and `parallel_tool_calls` decide which of the named tools are called."""
    answer = await asked(
        upstream,
        api,
        text,
        stream=True,
        tools=tools(api),
        tool_choice=chosen(api, choice) if choice in FUNCTIONS else choice,
        parallel_tool_calls=parallel,
    )
    assert names(answer) == expected
    assert bool(answer.text) == (not expected)


async def test_calls_at_once_are_bounded(upstream: DemoUpstream, api: str) -> None:
    """A question that names many tools gets eight calls."""
    many = tools(api, {f"weather_{number}": CITY for number in range(20)})
    answer = await asked(upstream, api, "weather", stream=True, tools=many)
    assert len(answer.calls) == 8


async def test_arguments_are_from_the_question(upstream: DemoUpstream, api: str) -> None:
    """Where the schema allows any, a number is the first of the message, a text its last word."""
    answer = await asked(
        upstream, api, "What time is it in 12 days?", stream=False, tools=tools(api)
    )
    [(_, _, arguments)] = answer.calls
    assert json.loads(arguments) == {"zone": "UTC", "days": 12}


def conversation(api: str, calls: list[tuple[str, str, str]], *results: str) -> dict[str, Any]:
    """Return the messages of a question, its calls and their results."""
    ask = {"role": "user", "content": QUESTION}
    if api == "chat":
        made = [
            {"id": own, "type": "function", "function": {"name": name, "arguments": arguments}}
            for own, name, arguments in calls
        ]
        turn = {"role": "assistant", "content": None, "tool_calls": made}
        answers = [
            {"role": "tool", "tool_call_id": own, "content": result}
            for (own, _, _), result in zip(calls, results, strict=True)
        ]
        return {"messages": [ask, turn, *answers]}
    items = [
        {"type": "function_call", "call_id": own, "name": name, "arguments": arguments}
        for own, name, arguments in calls
    ]
    outputs = [
        {"type": "function_call_output", "call_id": own, "output": result}
        for (own, _, _), result in zip(calls, results, strict=True)
    ]
    return {"input": [ask, *items, *outputs]}


async def test_results_are_answered(upstream: DemoUpstream, api: str) -> None:
    """The answer to results names the tools and repeats the results, and calls nothing more."""
    first = await asked(upstream, api, QUESTION, stream=False, tools=tools(api))
    messages = conversation(api, first.calls, "sunny", "noon" * 100)
    second = await asked(upstream, api, stream=False, tools=tools(api), **messages)
    assert second.calls == []
    assert "The result of get_weather: sunny. " in second.text
    assert f"The result of getTime: {'noon' * 50}…. " in second.text
    required = await asked(
        upstream, api, stream=False, tools=tools(api), tool_choice="required", **messages
    )
    assert [own for own, _, _ in required.calls] == ["call_demo_3", "call_demo_4"]


async def test_a_plan_is_for_the_answer_to_its_message(upstream: DemoUpstream, api: str) -> None:
    """The plan of the question does not apply after results, the plan of the last result does."""
    calls = [("call_1", "get_weather", "{}")]
    for result, expected in (("sunny", False), ("sunny [[demo: text planned; finish]]", True)):
        messages = conversation(api, calls, result)
        own = messages["messages" if api == "chat" else "input"]
        own[0]["content"] = "weather? [[demo: tool-calls; finish; usage; done]]"
        body = {"model": "m", "tools": tools(api), **messages}
        response = await post(upstream, api, body)
        assert ("planned" in response.text) is expected
        assert "call_demo" not in response.text


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"tool_choice": "required"}, "tool_choice", "tool_choice needs tools"),
    ({"tools": {}, "tool_choice": "required"}, "tool_choice", "tool_choice needs tools"),
    ({"tools": "all"}, "tools", "tools must be a list"),
    ({"tools": [1]}, "tools", "tools[0] must be a function with a name"),
    ({"tools": [{"type": "function"}]}, "tools", "tools[0] must be a function with a name"),
    ({"tools": ..., "tool_choice": "some"}, "tool_choice", "tool_choice must be none, auto"),
    ({"tools": ..., "tool_choice": "other"}, "tool_choice", "names a tool that tools lacks"),
]


async def test_malformed_tools_are_a_400(
    upstream: DemoUpstream, api: str, subtests: pytest.Subtests
) -> None:
    """The error names the parameter and what is allowed."""
    prompt = {"messages": [{"role": "user", "content": "x"}]} if api == "chat" else {"input": "x"}
    for given, param, said in REFUSED:
        with subtests.test(said=said):
            fields = dict(given)
            if fields.get("tools") is ...:
                fields["tools"] = tools(api)
            if fields.get("tool_choice") == "other":
                fields["tool_choice"] = chosen(api, "other")
            response = await post(upstream, api, {"model": "m", **prompt, **fields})
            error = response.json()["error"]
            assert (response.status_code, error["param"]) == (400, param)
            assert said in error["message"]


async def test_a_called_tool_without_an_instance_is_a_400(upstream: DemoUpstream, api: str) -> None:
    """The error names the parameters of the tool; a tool that is not called does no harm."""
    bad = tools(api, {"weather": {"properties": {"a": {"pattern": "x"}}, "required": ["a"]}})
    param = {"chat": "tools[0].function.parameters", "responses": "tools[0].parameters"}[api]
    assert (await asked(upstream, api, "hello", stream=True, tools=bad)).calls == []
    for text, plan in (("weather", ""), ("hello", "tool-calls")):
        prompt = {"messages": [{"role": "user", "content": text}]}
        body = {"model": "m", "tools": bad, **(prompt if api == "chat" else {"input": text})}
        response = await post(upstream, api, body, plan)
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)
        assert "properties.a: the demo model does not support 'pattern'" in response.text


async def test_builtin_tools_are_never_called(upstream: DemoUpstream) -> None:
    """A tool that is not a function is accepted and left alone."""
    search = [{"type": "web_search"}]
    answer = await asked(upstream, "responses", "web search", stream=True, tools=search)
    assert answer.calls == []
    assert answer.text


async def test_a_limit_of_tokens_counts_calls(upstream: DemoUpstream, api: str) -> None:
    """Calls that are over the limit are not made, and the reason is the length."""
    name = {"chat": "max_completion_tokens", "responses": "max_output_tokens"}[api]
    limit: dict[str, Any] = {name: 7}
    answer = await asked(upstream, api, QUESTION, stream=True, tools=tools(api), **limit)
    assert (answer.calls, answer.text) == ([], "")
    assert answer.finish == {"chat": "length", "responses": "incomplete"}[api]
