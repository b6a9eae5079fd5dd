"""Tools of a request: what the upstream receives, and what is rejected."""

import json
from typing import Any

import grpc
import pytest

from support.helpers import violated_fields_of
from support.quirks import DONE, STOP, Got, Player, delta, finish, player, response, text
from tokenwire.v1 import chatgpt_pb2 as pb

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
AUTO, NONE, REQUIRED = (
    pb.ToolChoice.MODE_AUTO,
    pb.ToolChoice.MODE_NONE,
    pb.ToolChoice.MODE_REQUIRED,
)

SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
WEATHER = pb.Tool(name="get_weather", description="Weather of a city.", parameters=SCHEMA)
TIME = pb.Tool(name="get_time", strict=True)


async def sent(upstream: Player, message: pb.Message) -> dict[str, Any]:
    """Make a call that succeeds; return the body of the upstream's request."""
    assert (await upstream.play(response(text("x"), STOP), message)) == Got("x")
    body: dict[str, Any] = json.loads(upstream.upstream.body)
    return body


async def test_the_upstream_receives_the_tools() -> None:
    """Tools are functions with their schemas; without tools, no field about them is sent."""
    async with player() as upstream:
        body = await sent(upstream, pb.Message(content="hello", tools=[WEATHER, TIME]))
        assert body["tools"] == [
            {
                "type": "function",
                "function": {
                    "name": "get_weather",
                    "description": "Weather of a city.",
                    "parameters": json.loads(SCHEMA),
                },
            },
            {
                "type": "function",
                "function": {
                    "name": "get_time",
                    "parameters": {"type": "object", "properties": {}},
                    "strict": True,
                },
            },
        ]
        assert not {"tool_choice", "parallel_tool_calls"} & body.keys()
        plain = await sent(upstream, pb.Message(content="hello"))
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & plain.keys()


CHOICES: list[tuple[pb.ToolChoice, dict[str, Any]]] = [
    (pb.ToolChoice(), {}),
    (pb.ToolChoice(mode=AUTO), {"tool_choice": "auto"}),
    (
        pb.ToolChoice(mode=NONE, parallel=False),
        {"tool_choice": "none", "parallel_tool_calls": False},
    ),
    (pb.ToolChoice(mode=REQUIRED), {"tool_choice": "required"}),
    (pb.ToolChoice(parallel=True), {"parallel_tool_calls": True}),
    (
        pb.ToolChoice(name="get_time"),
        {"tool_choice": {"type": "function", "function": {"name": "get_time"}}},
    ),
]


async def test_the_upstream_receives_the_choice(subtests: pytest.Subtests) -> None:
    """Each choice has OpenAI's form."""
    async with player() as upstream:
        for chosen, fields in CHOICES:
            with subtests.test(choice=chosen):
                body = await sent(
                    upstream,
                    pb.Message(content="hello", tools=[WEATHER, TIME], tool_choice=chosen),
                )
                names = body.keys() & {"tool_choice", "parallel_tool_calls"}
                assert {name: body[name] for name in names} == fields


async def test_a_round_trip(subtests: pytest.Subtests) -> None:
    """Two parallel calls and their results reach the upstream in its form, with or without text."""
    async with player() as upstream:
        calls = [
            {"index": n, "id": f"id-{n}", "function": {"name": "get_weather", "arguments": city}}
            for n, city in enumerate(['{"city":"Oslo"}', '{"city":"Rome"}'])
        ]
        asks = pb.Message(content="Weather?", tools=[WEATHER])
        pieces = response(delta(tool_calls=calls), finish("tool_calls"), DONE)
        assert await upstream.play(pieces, asks) == Got("", "TOOL_CALLS")
        called = [call for answer in upstream.answers for call in answer.tool_calls]
        assert [call.id for call in called] == ["id-0", "id-1"]
        history = [
            pb.Turn(role=pb.ROLE_SYSTEM, content="Be brief."),
            pb.Turn(role=pb.ROLE_USER, content="Weather?"),
            pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=called),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="id-1", content="sun"),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="id-0", content=""),
        ]
        for content in ("", "And in short?"):
            with subtests.test(content=content):
                body = await sent(
                    upstream, pb.Message(content=content, history=history, tools=[WEATHER])
                )
                assert body["messages"] == [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Weather?"},
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {
                                "id": call["id"],
                                "type": "function",
                                "function": call["function"],
                            }
                            for call in calls
                        ],
                    },
                    {"role": "tool", "content": "sun", "tool_call_id": "id-1"},
                    {"role": "tool", "content": "", "tool_call_id": "id-0"},
                    *([{"role": "user", "content": content}] if content else []),
                ]


CALL = pb.ToolCall(id="a", name="get_weather", arguments="{}")
CALLED = pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=[CALL])
RESULT = pb.Turn(role=pb.ROLE_TOOL, tool_call_id="a", content="sun")


def tools(*found: pb.Tool, choice: pb.ToolChoice | None = None) -> pb.Message:
    return pb.Message(content="hello", tools=found, tool_choice=choice)


def turns(*history: pb.Turn, content: str = "hello") -> pb.Message:
    return pb.Message(content=content, history=history)


def calls(call: pb.ToolCall) -> pb.Message:
    return turns(pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=[call]))


INVALID: list[tuple[str, pb.Message]] = [
    ("tools[0].name", tools(pb.Tool())),
    ("tools[0].name", tools(pb.Tool(name="get weather"))),
    ("tools[0].name", tools(pb.Tool(name="x" * 65))),
    ("tools[1].name", tools(TIME, TIME)),
    ("tools[0].parameters", tools(pb.Tool(name="a", parameters="{"))),
    ("tools[0].parameters", tools(pb.Tool(name="a", parameters="[]"))),
    ("tools[0].parameters", tools(pb.Tool(name="a", parameters='{"type":"string"}'))),
    ("tools[0].parameters", tools(pb.Tool(name="a", parameters='{"a":' + "[" * 9_000))),
    (
        "tools[1].parameters",
        tools(*(pb.Tool(name=n, parameters=f'{{"x":"{"x" * 300_000}"}}') for n in "ab")),
    ),
    ("tools", tools(*(pb.Tool(name=f"tool-{n}") for n in range(129)))),
    ("tool_choice", tools(choice=pb.ToolChoice(mode=AUTO))),
    ("tool_choice.name", tools(TIME, choice=pb.ToolChoice(name="other"))),
    (
        "tool_choice.mode",
        tools(TIME, choice=pb.ToolChoice.FromString(b"\x08\x09")),
    ),
    ("history[0].tool_call_id", turns(RESULT)),
    ("history[1].tool_call_id", turns(CALLED, pb.Turn(role=pb.ROLE_TOOL, content="sun"))),
    ("history[0].tool_call_id", turns(pb.Turn(role=pb.ROLE_USER, tool_call_id="a"))),
    ("history[0].tool_calls", turns(pb.Turn(role=pb.ROLE_USER, tool_calls=[CALL]))),
    (
        "history[0].tool_calls",
        turns(pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=[CALL] * 129)),
    ),
    ("history[0].tool_calls[0].id", calls(pb.ToolCall(name="a"))),
    ("history[0].tool_calls[0].name", calls(pb.ToolCall(id="a"))),
    ("history[0].tool_calls[0].arguments", calls(pb.ToolCall(id="a", name="a", arguments="[1]"))),
    ("history[0].role", turns(pb.Turn.FromString(b"\x08\x09"))),
]


async def test_what_is_rejected(subtests: pytest.Subtests) -> None:
    """Each mistake is INVALID_PARAMETER with its field, and nothing is asked upstream."""
    async with player() as upstream:
        for field, message in INVALID:
            with subtests.test(field=field):
                got = await upstream.play(response(text("x"), STOP), message)
                assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT, requests=0)
                assert upstream.error is not None
                assert violated_fields_of(upstream.error) == [field]


async def test_content_is_needed_without_a_result(subtests: pytest.Subtests) -> None:
    """Empty content is EMPTY_PROMPT unless the history ends with the result of a tool."""
    async with player() as upstream:
        for history in ((), (CALLED,), (CALLED, RESULT, pb.Turn(role=pb.ROLE_USER, content="x"))):
            with subtests.test(history=history):
                got = await upstream.play(response(text("x"), STOP), turns(*history, content=""))
                assert got == Got("", "EMPTY_PROMPT", INVALID_ARGUMENT, requests=0)


async def test_large_tools_are_sent_whole() -> None:
    """Tools of the largest size reach the upstream byte by byte."""
    large = json.dumps({"type": "object", "description": "\u00e9" * 200_000}, ensure_ascii=False)
    async with player() as upstream:
        body = await sent(upstream, tools(pb.Tool(name="a", parameters=large)))
        assert body["tools"][0]["function"]["parameters"] == json.loads(large)
