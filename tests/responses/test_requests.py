"""The requests of the responses dialect: what the upstream receives, and what is rejected."""

import json
from typing import Any

import grpc
import pytest

from support.app import MODEL
from support.helpers import violated_fields_of
from support.quirks import Got, Player, response
from support.response_events import call, call_events, completed, event, responses_player, text
from tokenwire import config
from tokenwire.upstreams.build import build_openai
from tokenwire.upstreams.openai.dialect import ChatDialect, ResponsesDialect
from tokenwire.v1 import chatgpt_pb2 as pb

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT

SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}}}'
TOOL = pb.Tool(name="get_time", description="The time.", parameters=SCHEMA, strict=True)
FUNCTION = {
    "type": "function",
    "name": "get_time",
    "description": "The time.",
    "parameters": json.loads(SCHEMA),
    "strict": True,
}


async def sent(upstream: Player, message: pb.Message) -> dict[str, Any]:
    """Make a call that succeeds; return the body of the upstream's request."""
    assert await upstream.play(response(text("x"), completed()), message) == Got("x")
    body: dict[str, Any] = json.loads(upstream.upstream.body)
    return body


async def test_a_plain_request() -> None:
    """A request has the text, streams, and asks the upstream to store nothing."""
    async with responses_player() as upstream:
        assert await sent(upstream, pb.Message(content="hello")) == {
            "model": MODEL,
            "input": [{"role": "user", "content": "hello", "type": "message"}],
            "store": False,
            "stream": True,
        }


async def test_the_whole_request() -> None:
    """Every field that the API has is sent in its form."""
    message = pb.Message(
        content="And now?",
        system="Be brief.",
        history=[
            pb.Turn(role=pb.ROLE_USER, content="Hi"),
            pb.Turn(role=pb.ROLE_ASSISTANT, content="Hello"),
        ],
        params=pb.Params(
            model="gpt-5-mini",
            temperature=0.5,
            max_tokens=5,
            top_p=0.9,
            user="user-1",
            service_tier=pb.SERVICE_TIER_FLEX,
        ),
        tools=[TOOL],
        tool_choice=pb.ToolChoice(name="get_time", parallel=False),
        format=pb.Format(json_schema=pb.JsonSchema(name="city", schema=SCHEMA, strict=True)),
        reasoning=pb.Reasoning(effort=pb.EFFORT_LOW, show=True),
    )
    async with responses_player() as upstream:
        assert await sent(upstream, message) == {
            "model": "gpt-5-mini",
            "input": [
                {"role": "system", "content": "Be brief.", "type": "message"},
                {"role": "user", "content": "Hi", "type": "message"},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
                },
                {"role": "user", "content": "And now?", "type": "message"},
            ],
            "temperature": 0.5,
            "max_output_tokens": 5,
            "top_p": 0.9,
            "user": "user-1",
            "service_tier": "flex",
            "tools": [FUNCTION],
            "tool_choice": {"type": "function", "name": "get_time"},
            "parallel_tool_calls": False,
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "city",
                    "schema": json.loads(SCHEMA),
                    "strict": True,
                }
            },
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
            "stream": True,
        }


async def test_encrypted_reasoning_is_asked_of_models_that_reason(
    subtests: pytest.Subtests,
) -> None:
    """Only requests with tools to models that reason ask for what the next request needs."""
    async with responses_player() as upstream:
        for model, tools, asks in (
            ("gpt-5-mini", [TOOL], True),
            ("o4-mini", [TOOL], True),
            ("gpt-4o", [TOOL], False),
            ("gpt-5-chat-latest", [TOOL], False),
            ("gpt-5-mini", [], False),
        ):
            with subtests.test(model=model, tools=len(tools)):
                message = pb.Message(content="x", tools=tools, params=pb.Params(model=model))
                assert ("include" in await sent(upstream, message)) is asks


async def test_a_summary_is_asked_of_models_that_reason(subtests: pytest.Subtests) -> None:
    """Showing the reasoning of one of OpenAI's models that has none is no error."""
    async with responses_player() as upstream:
        for model, asks in (
            ("o3", True),
            ("gpt-5.2-2026-01-01", True),
            ("openai/gpt-5-mini", True),
            ("ft:o4-mini:org::1", True),
            ("gpt-oss-20b", True),
            ("qwen3:8b", True),
            ("gpt-4o-mini", False),
            ("gpt-5-chat-latest", False),
            ("chatgpt-4o-latest", False),
        ):
            with subtests.test(model=model):
                shown = pb.Reasoning(show=True)
                message = pb.Message(content="x", reasoning=shown, params=pb.Params(model=model))
                body = await sent(upstream, message)
                assert body.get("reasoning") == ({"summary": "auto"} if asks else None)


def params(**values: Any) -> pb.Message:
    return pb.Message(content="hello", params=pb.Params(**values))


SPOKEN = pb.Part(url="https://example.com/a.wav", media_type="audio/wav")
UNSUPPORTED: list[tuple[str, pb.Message]] = [
    ("params.stop", params(stop=["x"])),
    ("params.seed", params(seed=0)),
    ("params.frequency_penalty", params(frequency_penalty=0)),
    ("params.presence_penalty", params(presence_penalty=1)),
    ("params.top_k", params(top_k=4)),
    ("params.min_p", params(min_p=0)),
    ("params.logit_bias", params(logit_bias={7: 1})),
    (
        "reasoning.max_tokens",
        pb.Message(content="hello", reasoning=pb.Reasoning(max_tokens=5)),
    ),
    ("parts[0].url", pb.Message(content="hello", parts=[SPOKEN])),
    (
        "history[0].parts[0].url",
        pb.Message(content="hello", history=[pb.Turn(role=pb.ROLE_USER, parts=[SPOKEN])]),
    ),
    ("format.regex", pb.Message(content="hello", format=pb.Format(regex="a+"))),
    ("format.grammar", pb.Message(content="hello", format=pb.Format(grammar="a"))),
    (
        "format.choices",
        pb.Message(content="hello", format=pb.Format(choices=pb.Choices(values=["a"]))),
    ),
]


async def test_what_the_api_lacks(subtests: pytest.Subtests) -> None:
    """A field that the API lacks is INVALID_PARAMETER by its name; nothing is asked upstream."""
    async with responses_player() as upstream:
        for field, message in UNSUPPORTED:
            with subtests.test(field=field):
                got = await upstream.play(response(text("x"), completed()), message)
                assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT, requests=0)
                assert upstream.error is not None
                assert violated_fields_of(upstream.error) == [field]


REJECTIONS = [
    ("max_output_tokens", "params.max_tokens", params(max_tokens=1)),
    ("temperature", "params.temperature", params(temperature=1)),
    (
        "reasoning.effort",
        "reasoning.effort",
        pb.Message(content="x", reasoning=pb.Reasoning(effort=pb.EFFORT_LOW)),
    ),
    ("text.format", "format", pb.Message(content="x", format=pb.Format(json=True))),
    ("tools[0].parameters", "tools", pb.Message(content="x", tools=[TOOL])),
]


async def test_what_the_upstream_rejects(subtests: pytest.Subtests) -> None:
    """A 400 that names a parameter of the API names the caller's field."""
    async with responses_player() as upstream:
        for param, field, message in REJECTIONS:
            body = json.dumps({"error": {"message": "no", "param": param}}).encode()
            refused = response(body, status="400 Bad Request", content_type="application/json")
            with subtests.test(param=param):
                got = await upstream.play(refused, message)
                assert got == Got("", "INVALID_PARAMETER", INVALID_ARGUMENT)
                assert upstream.error is not None
                assert violated_fields_of(upstream.error) == [field]


DIALECTS = [
    (None, "auto", ResponsesDialect),
    ("https://api.openai.com/v1", "auto", ResponsesDialect),
    ("https://api.openai.com/v1", "chat", ChatDialect),
    ("https://x.openai.azure.com/openai/v1", "auto", ChatDialect),
    ("http://127.0.0.1:8000/v1", "auto", ChatDialect),
    ("http://127.0.0.1:8000/v1", "responses", ResponsesDialect),
]


async def test_the_dialect_follows_the_address(subtests: pytest.Subtests) -> None:
    """OpenAI's own API is asked by responses, every other by chat completions, or as set."""
    for base_url, dialect, expected in DIALECTS:
        with subtests.test(base_url=base_url, dialect=dialect):
            loaded = config.load(base_url=base_url, dialect=dialect, api_key="key", model=MODEL)
            model = build_openai(loaded)
            assert type(model.dialect) is expected
            await model.aclose()


CALLS = [
    call("get_time", '{"city":"Oslo"}', "a", "fc_a"),
    call("get_time", "{}", "b", "fc_b"),
]
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "gAAA",
}


async def test_a_conversation_with_tools() -> None:
    """Two parallel calls reach the caller whole; their results and the reasoning go back."""
    asked = pb.Message(content="What time?", tools=[TOOL], params=pb.Params(model="gpt-5-mini"))
    unfinished = {**REASONING, "status": "completed", "other": 1}
    pieces = [
        *call_events(1, CALLS[0], '{"ci', 'ty":"Oslo"}'),
        *call_events(2, CALLS[1], "{}"),
        completed(unfinished, *CALLS),
    ]
    async with responses_player() as upstream:
        assert await upstream.play(response(*pieces), asked) == Got("", "TOOL_CALLS")
        called = [call for answer in upstream.answers for call in answer.tool_calls]
        assert [(call.id, call.name, call.arguments, call.index) for call in called] == [
            ("a", "get_time", '{"city":"Oslo"}', 0),
            ("b", "get_time", "{}", 1),
        ]
        state = upstream.answers[-1].state
        history = [
            pb.Turn(role=pb.ROLE_USER, content="What time?"),
            pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=called, state=state),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="b", content="noon"),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="a", content="late"),
        ]
        body = await sent(upstream, pb.Message(history=history, tools=[TOOL]))
        names = ("type", "name", "arguments", "call_id")
        assert body["input"] == [
            {"role": "user", "content": "What time?", "type": "message"},
            REASONING,
            *({name: call[name] for name in names} for call in CALLS),
            {"type": "function_call_output", "output": "noon", "call_id": "b"},
            {"type": "function_call_output", "output": "late", "call_id": "a"},
        ]


async def test_plain_reasoning_goes_back() -> None:
    """Servers that do not encrypt the reasoning, such as llama.cpp's, get its text back."""
    content = [{"type": "reasoning_text", "text": "Hm."}]
    plain = {"type": "reasoning", "id": "rs_1", "summary": [], "content": content}
    asked = pb.Message(content="What time?", tools=[TOOL])
    async with responses_player() as upstream:
        pieces = response(completed({**plain, "encrypted_content": ""}, CALLS[0]))
        assert await upstream.play(pieces, asked) == Got("", "TOOL_CALLS")
        called = [call for answer in upstream.answers for call in answer.tool_calls]
        state = upstream.answers[-1].state
        history = [
            pb.Turn(role=pb.ROLE_USER, content="What time?"),
            pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=called, state=state),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="a", content="noon"),
        ]
        body = await sent(upstream, pb.Message(history=history, tools=[TOOL]))
        assert body["input"][1] == plain


async def test_too_much_reasoning_is_not_kept() -> None:
    """Reasoning items that no state can hold are dropped as a whole: a part would be refused."""
    items = [{**REASONING, "id": name, "encrypted_content": "x" * 1_200_000} for name in "ab"]
    ended = [
        event("response.output_item.done", output_index=index, item=item)
        for index, item in enumerate(items)
    ]
    asked = pb.Message(content="What time?", tools=[TOOL])
    async with responses_player() as upstream:
        for count, kept in ((1, True), (2, False)):
            pieces = response(*ended[:count], completed(CALLS[0]))
            assert await upstream.play(pieces, asked) == Got("", "TOOL_CALLS")
            assert bool(upstream.answers[-1].state) is kept


INVALID_CALLS = {
    "no object": [completed(call("get_time", "[1]", "a"))],
    "no name": [completed(call("", "{}", "a"))],
    "cut off": [
        *call_events(0, call("get_time", "", "a"), '{"city":'),
        completed(),
    ],
}


async def test_tool_calls_that_are_no_objects(subtests: pytest.Subtests) -> None:
    """A call without a name or without a JSON object fails the answer."""
    async with responses_player() as upstream:
        for name, pieces in INVALID_CALLS.items():
            with subtests.test(case=name):
                got = await upstream.play(
                    response(*pieces), pb.Message(content="hello", tools=[TOOL])
                )
                assert got == Got("", "UPSTREAM_TOOL_CALL_INVALID", grpc.StatusCode.INTERNAL)


async def test_the_upstream_is_asked_at_its_path() -> None:
    """Requests go to the path of the dialect, whatever path of a dialect the address ends with."""
    async with responses_player() as upstream:
        await sent(upstream, pb.Message(content="hello"))
        assert upstream.upstream.head.startswith(b"POST /v1/responses HTTP/1.1\r\n")
