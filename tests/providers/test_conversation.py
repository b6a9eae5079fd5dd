"""A conversation with two parallel tool calls, their results and a structured answer."""

import json
from typing import Any

import pytest

from support.anthropic_wire import ANTHROPIC, block, piece, sse, start, stop
from support.ollama_wire import DONE, OLLAMA, line
from support.providers import provider_player
from support.quirks import Got, Player
from support.tool_calls import joined_calls
from support.wire import Wire
from tokenwire.v1 import chatgpt_pb2 as pb

SCHEMA = (
    '{"type":"object","properties":{"city":{"type":"string","pattern":"^[A-Z]"},'
    '"at":{"type":"object","properties":{"z":{"type":"number"}},"required":["z"]}},'
    '"required":["city"],"additionalProperties":false}'
)
TOOLS = [
    pb.Tool(name="get_time", description="Tells the time.", parameters=SCHEMA),
    pb.Tool(name="get_weather", parameters=SCHEMA),
]
FIRST = '{"city":"Zoë \u2028 [1]","at":{"z":1.5}}'
SECOND = '{"city":"[1]","at":{"z":2}}'
RESULT = "12:00 \u2028 Zoë"
ANSWER_SCHEMA = '{"type":"object","properties":{"time":{"type":"string"}},"required":["time"]}'
ANSWER = '{"time": "12:00"}'

ANTHROPIC_CALLS = [
    start(input_tokens=10, cache_read_input_tokens=4, cache_creation_input_tokens=2),
    block(0),
    piece(0, type="text_delta", text="\n\n"),
    sse("content_block_stop", index=0),
    block(1, type="tool_use", id="toolu_1", name="get_time", input={}),
    piece(1, type="input_json_delta", partial_json=""),
    piece(1, type="input_json_delta", partial_json=FIRST[:20]),
    sse("ping"),
    piece(1, type="input_json_delta", partial_json=FIRST[20:]),
    sse("content_block_stop", index=1),
    block(2, type="tool_use", id="toolu_2", name="get_weather", input={}),
    piece(2, type="input_json_delta", partial_json=SECOND),
    sse("content_block_stop", index=2),
    stop("tool_use", output_tokens=9),
]


def ollama_call(name: str, arguments: str, **fields: Any) -> bytes:
    """Return a line with a tool call."""
    call = {"function": {"name": name, "arguments": json.loads(arguments)}, **fields}
    return line(message={"role": "assistant", "content": "", "tool_calls": [call]})


OLLAMA_CALLS = [
    line(message={"role": "assistant", "content": "\n\n"}),
    ollama_call("get_time", FIRST, id="toolu_1"),
    ollama_call("get_weather", SECOND, id="toolu_2"),
    line(**DONE | {"prompt_eval_count": 16, "eval_count": 9}),
]


def calls_of(upstream: Player) -> list[pb.ToolCall]:
    """Return the tool calls in the latest answer."""
    return [call for answer in upstream.answers for call in answer.tool_calls]


def body_of(upstream: Player) -> dict[str, Any]:
    """Return the body of the latest request."""
    body: dict[str, Any] = json.loads(upstream.upstream.body)
    return body


@pytest.mark.parametrize(
    ("wire", "calls", "usage"),
    [
        (ANTHROPIC, ANTHROPIC_CALLS, (16, 9, 4, 0)),
        (OLLAMA, OLLAMA_CALLS, (16, 9, 0, 0)),
    ],
    ids=["anthropic", "ollama"],
)
async def test_two_calls_and_their_results(
    wire: Wire,
    calls: list[bytes],
    usage: tuple[int, int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls, their results and the final answer keep every byte in both directions."""
    async with provider_player(wire, monkeypatch) as upstream:
        question = pb.Turn(role=pb.ROLE_USER, content="What time is it?")
        got = await upstream.play(
            wire.answer(*calls),
            pb.Message(content=question.content, system="Be brief.", tools=TOOLS),
        )
        assert got == Got("", "TOOL_CALLS", usage=usage)
        found = calls_of(upstream)
        assert [(call.id, call.name, call.index) for call in found] == [
            ("toolu_1", "get_time", 0),
            ("toolu_2", "get_weather", 1),
        ]
        assert [json.loads(call.arguments) for call in found] == [
            json.loads(FIRST),
            json.loads(SECOND),
        ]
        schemas = [json.loads(SCHEMA)] * 2
        assert schemas_in(wire, body_of(upstream)) == schemas

        history = [
            question,
            pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=found),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="toolu_1", content=RESULT),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="toolu_2", content="rain"),
        ]
        form = pb.Format(json_schema=pb.JsonSchema(name="answer", schema=ANSWER_SCHEMA))
        got = await upstream.play(
            wire.answer(*wire.body(ANSWER[:5], ANSWER[5:]), wire.end()),
            pb.Message(system="Be brief.", history=history, tools=TOOLS, format=form),
        )
        assert got == Got(ANSWER, usage=(3, 2, 0, 0))
        body = body_of(upstream)
        expected = {ANTHROPIC: anthropic_messages(), OLLAMA: ollama_messages()}[wire]
        assert body["messages"] == expected
        assert schemas_in(wire, body) == schemas
        schema = body["format"] if wire is OLLAMA else body["output_config"]["format"]["schema"]
        assert schema == json.loads(ANSWER_SCHEMA)
        last = upstream.answers[-1]
        assert (last.id, last.model) == (
            ("msg_1", "claude-1") if wire is ANTHROPIC else ("", "llama")
        )


@pytest.mark.parametrize(
    ("wire", "calls"),
    [(ANTHROPIC, ANTHROPIC_CALLS), (OLLAMA, OLLAMA_CALLS)],
    ids=["anthropic", "ollama"],
)
async def test_calls_in_pieces(
    wire: Wire, calls: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces that the caller asks for are, joined, the whole calls."""
    async with provider_player(wire, monkeypatch) as upstream:
        message = pb.Message(content="What time is it?", tools=TOOLS, stream_tool_calls=True)
        await upstream.play(wire.answer(*calls), message)
        found = joined_calls(upstream.answers)
        assert [(call.id, call.name, json.loads(call.arguments)) for call in found] == [
            ("toolu_1", "get_time", json.loads(FIRST)),
            ("toolu_2", "get_weather", json.loads(SECOND)),
        ]


def schemas_in(wire: Wire, body: dict[str, Any]) -> list[Any]:
    """Return the schemas of the tools in a request."""
    if wire is ANTHROPIC:
        return [tool["input_schema"] for tool in body["tools"]]
    return [tool["function"]["parameters"] for tool in body["tools"]]


def anthropic_messages() -> list[dict[str, Any]]:
    """Return the messages of the second request to Anthropic."""
    return [
        {"role": "user", "content": "What time is it?"},
        {
            "role": "assistant",
            "content": [
                {
                    "type": "tool_use",
                    "id": "toolu_1",
                    "name": "get_time",
                    "input": json.loads(FIRST),
                },
                {
                    "type": "tool_use",
                    "id": "toolu_2",
                    "name": "get_weather",
                    "input": json.loads(SECOND),
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": RESULT,
                    "is_error": False,
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "content": "rain",
                    "is_error": False,
                },
            ],
        },
    ]


def ollama_messages() -> list[dict[str, Any]]:
    """Return the messages of the second request to Ollama."""
    calls = [
        {"id": "toolu_1", "function": {"index": 0, "name": "get_time"}},
        {"id": "toolu_2", "function": {"index": 1, "name": "get_weather"}},
    ]
    for call, arguments in zip(calls, (FIRST, SECOND), strict=True):
        function: Any = call["function"]
        function["arguments"] = json.loads(arguments)
    return [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {
            "role": "tool",
            "content": RESULT,
            "tool_name": "get_time",
            "tool_call_id": "toolu_1",
        },
        {"role": "tool", "content": "rain", "tool_name": "get_weather", "tool_call_id": "toolu_2"},
    ]


ODD_CALLS = {
    "no ids": [ollama_call("get_time", SECOND), ollama_call("get_time", FIRST)],
    "no ids, the same twice": [ollama_call("get_time", SECOND), ollama_call("get_time", SECOND)],
}


async def test_calls_without_ids(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """Calls without ids get some, which are unique in the answer."""
    async with provider_player(OLLAMA, monkeypatch) as upstream:
        for name, calls in ODD_CALLS.items():
            with subtests.test(name):
                got = await upstream.play(
                    OLLAMA.answer(*calls, line(**DONE)), pb.Message(content="a", tools=TOOLS)
                )
                assert got.reason == "TOOL_CALLS"
                assert len({call.id for call in calls_of(upstream)}) == 2


async def test_a_call_that_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments that are no JSON object at the end fail the answer."""
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        calls = [
            start(input_tokens=1),
            block(0, type="tool_use", id="t", name="get_time", input={}),
            piece(0, type="input_json_delta", partial_json='{"city":'),
            stop("max_tokens"),
        ]
        got = await upstream.play(ANTHROPIC.answer(*calls), pb.Message(content="a", tools=TOOLS))
        assert got.reason == "UPSTREAM_TOOL_CALL_INVALID"


REASONS = [
    ("max_tokens", Got("hi", "LENGTH", usage=(3, 2, 0, 0))),
    ("stop_sequence", Got("hi", usage=(3, 2, 0, 0))),
    ("model_context_window_exceeded", Got("hi", "LENGTH", usage=(3, 2, 0, 0))),
    ("pause_turn", Got("hi", "OTHER", usage=(3, 2, 0, 0))),
]


async def test_finish_reasons(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """A finish reason is judged by its meaning."""
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        for reason, expected in REASONS:
            with subtests.test(reason):
                got = await upstream.play(ANTHROPIC.answer(*ANTHROPIC.body("hi"), stop(reason)))
                assert got == expected
        got = await upstream.play(ANTHROPIC.answer(*ANTHROPIC.body("hi"), stop("refusal")))
        assert (got.text, got.reason) == ("hi", "CONTENT_FILTERED")
    async with provider_player(OLLAMA, monkeypatch) as upstream:
        length = line(**DONE | {"done_reason": "length"})
        got = await upstream.play(OLLAMA.answer(*OLLAMA.body("hi"), length))
        assert got == Got("hi", "LENGTH", usage=(3, 2, 0, 0))
        loaded = line(**DONE | {"done_reason": "load"})
        assert (await upstream.play(OLLAMA.answer(loaded))).reason == "UPSTREAM_TRUNCATED"
