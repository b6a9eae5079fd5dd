"""The steps of a plan that send tool calls, in both APIs."""

import json
from typing import Any

import aiohttp
import pytest

from support.model_client import APIS, asked, post
from support.raw_client import deltas, play
from tokenwire_demo import DemoUpstream, PlanError, parse_plan


@pytest.fixture(params=APIS)
def api(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


SENT: list[tuple[str, list[tuple[str, str, str]]]] = [
    ("tool-call", [("call_demo", "lookup", "{}")]),
    ('tool-call a {"x": 1}', [("call_demo", "a", '{"x": 1}')]),
    ('tool-call a "{\\"x\\":" id=c', [("c", "a", '{"x":')]),
    ('tool-call a "" ', [("call_demo", "a", "")]),
    ("tool-call a id=x; tool-call b index=1 id=y", [("x", "a", "{}"), ("y", "b", "{}")]),
    ('tool-call a {"city": "Zürich"} pieces=5', [("call_demo", "a", '{"city": "Zürich"}')]),
    ("tool-call a pieces=1000", [("call_demo", "a", "{}")]),
    (
        "tool-calls 3",
        [(f"call_demo_{number}", "lookup", "{}") for number in (1, 2, 3)],
    ),
]


@pytest.mark.parametrize("stream", [True, False])
async def test_calls_are_those_of_the_plan(
    upstream: DemoUpstream, api: str, subtests: pytest.Subtests, *, stream: bool
) -> None:
    """Each step sends its calls with their ids, names and arguments, streamed or not."""
    for plan, calls in SENT:
        with subtests.test(plan=plan):
            whole = f"{plan}; finish; usage; done"
            answer = await asked(upstream, api, stream=stream, plan=whole)
            assert answer.calls == calls
            assert answer.finish == {"chat": "tool_calls", "responses": "completed"}[api]


async def test_pieces_are_of_equal_size(upstream: DemoUpstream, api: str) -> None:
    """Without `pieces` a call is whole; with it, its arguments follow in that many deltas."""
    for pieces, expected in (
        ("", ["{" + "x" * 5 + "}"] if api == "responses" else []),
        ("pieces=3", ["{x", "xx", "xx}"]),
    ):
        plan = f'tool-call a "{{xxxxx}}" {pieces}; finish; usage; done'
        answer = await asked(upstream, api, stream=True, plan=plan)
        assert answer.call_pieces == expected
        assert answer.calls == [("call_demo", "a", "{xxxxx}")]


async def test_the_tools_of_the_request_are_called_in_turn(
    upstream: DemoUpstream, api: str
) -> None:
    """`tool-calls` uses the tools and their schemas, even if the request forbids calls."""
    names = {"a": {"properties": {"n": {"type": "integer"}}}, "b": {}}
    tools = [
        {"type": "function", "name": name, "parameters": schema}
        if api == "responses"
        else {"type": "function", "function": {"name": name, "parameters": schema}}
        for name, schema in names.items()
    ]
    answer = await asked(
        upstream,
        api,
        "hello 4",
        stream=True,
        plan="tool-calls 3; finish; usage; done",
        tools=tools,
        tool_choice="none",
    )
    assert answer.calls == [
        ("call_demo_1", "a", '{"n": 4}'),
        ("call_demo_2", "b", "{}"),
        ("call_demo_3", "a", '{"n": 4}'),
    ]


async def test_broken_calls_are_sent_as_they_are(upstream: DemoUpstream) -> None:
    """A chunk has no id, no name or a doubled index if the plan says so."""
    [[unnamed], [anonymous], [first], [second]] = [
        delta["tool_calls"]
        for delta in deltas(
            await play(
                upstream, 'tool-call id=""; tool-call tool=""; tool-call a id=x; tool-call b id=y'
            )
        )[1:]
    ]
    assert unnamed == {
        "index": 0,
        "type": "function",
        "function": {"name": "lookup", "arguments": "{}"},
    }
    assert anonymous["function"] == {"arguments": "{}"}
    assert (first["index"], second["index"]) == (0, 0)
    assert (first["id"], second["id"]) == ("x", "y")


async def test_pieces_of_calls_may_interleave(upstream: DemoUpstream) -> None:
    """`tool-arguments` continues the call with its index."""
    body = await play(upstream, "scenario tool-calls-interleaved")
    calls: dict[int, str] = {}
    order = []
    for delta in deltas(body):
        for call in delta.get("tool_calls", []):
            order.append(call["index"])
            piece = call["function"]["arguments"]
            calls[call["index"]] = calls.get(call["index"], "") + piece
    assert order == [0, 1, 0, 1]
    assert calls == {0: "{}", 1: "{}"}
    whole = await asked(
        upstream, "chat", stream=False, plan="scenario tool-calls-interleaved; usage"
    )
    assert whole.calls == [("call_1", "a", "{}"), ("call_2", "b", "{}")]


async def test_broken_calls_are_broken_items_of_a_response(upstream: DemoUpstream) -> None:
    """An item has no `call_id` or another item's place if the plan says so."""
    async with aiohttp.ClientSession() as session:
        plan = 'tool-call a id=""; tool-call b; tool-call c index=1; finish; done'
        async with session.post(
            f"{upstream.base_url}/responses",
            json={"model": "m", "input": "x", "stream": True},
            headers={"x-demo-plan": plan},
        ) as response:
            lines = (await response.text()).split("\n")
    events: list[Any] = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    added = [event for event in events if event["type"] == "response.output_item.added"]
    assert [event["output_index"] for event in added] == [0, 0, 2]
    assert ["call_id" in event["item"] for event in added] == [False, True, True]


async def test_reasoning_json_and_calls_come_in_one_answer(
    upstream: DemoUpstream, api: str
) -> None:
    """A plan sends reasoning, JSON of the schema and a call of the request's tool together."""
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    if api == "chat":
        fields: dict[str, Any] = {
            "tools": [{"type": "function", "function": {"name": "look"}}],
            "response_format": {"type": "json_schema", "json_schema": {"schema": schema}},
            "reasoning_effort": "minimal",
        }
    else:
        fields = {
            "tools": [{"type": "function", "name": "look"}],
            "text": {"format": {"type": "json_schema", "schema": schema}},
            "reasoning": {"effort": "minimal", "summary": "auto"},
        }
    plan = "rest; tool-calls; finish; usage; done"
    for stream in (True, False):
        answer = await asked(upstream, api, stream=stream, plan=plan, **fields)
        assert answer.reasoning.startswith("A simulator does not reason;")
        assert answer.text == '{"ok": true}'
        assert answer.calls == [("call_demo_1", "look", "{}")]
        thought = len(answer.reasoning.split())
        assert answer.usage == (thought + 2 + 2, thought)


async def test_the_number_of_calls_and_pieces_is_bounded(upstream: DemoUpstream) -> None:
    """A plan with too many is a 400."""
    for plan, said in (
        ("tool-calls 0", "count must be from 1 to 1000, not 0"),
        ("tool-calls 1001", "count must be from 1 to 1000, not 1001"),
        ("tool-call pieces=1001", "pieces must be at most 1000, not 1001"),
    ):
        with pytest.raises(PlanError, match=said):
            parse_plan(plan)
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        assert (await post(upstream, "chat", body, plan)).status_code == 400
