"""A parameter that a provider takes is sent under its name; any other is rejected by name."""

import asyncio
import json
from typing import Any

import grpc
import pytest

from support.anthropic_wire import ANTHROPIC
from support.bedrock_wire import BEDROCK
from support.google_wire import GOOGLE
from support.helpers import collect, violated_fields_of
from support.listening import listening
from support.mistral_wire import MISTRAL
from support.ollama_wire import OLLAMA
from support.providers import check_lacking, provider_player, select
from support.quirks import Player
from support.wire import KEY, Wire
from tokenwire import config
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc

SCHEMA = '{"type":"object","properties":{"a":{"type":"string","format":"date"}}}'
TOOL = pb.Tool(name="get", description="Gets.", parameters=SCHEMA)
STRICT = pb.Tool(name="get", parameters=SCHEMA, strict=True)
JSON_SCHEMA = pb.Format(json_schema=pb.JsonSchema(name="a", schema=SCHEMA))

LACKED_BY_ALL: dict[str, Any] = {
    "frequency_penalty": 0.0,
    "presence_penalty": 1.0,
    "user": "u",
    "top_logprobs": 0,
    "logit_bias": {7: 1},
    "service_tier": pb.SERVICE_TIER_AUTO,
}
LACKING: list[tuple[Wire, str, pb.Message]] = [
    *(
        (wire, f"params.{name}", pb.Message(params=pb.Params(**{name: value})))
        for wire, values in {
            ANTHROPIC: {"seed": 0, "min_p": 0.0, **LACKED_BY_ALL},
            OLLAMA: LACKED_BY_ALL,
        }.items()
        for name, value in values.items()
    ),
    (OLLAMA, "reasoning.max_tokens", pb.Message(reasoning=pb.Reasoning(max_tokens=9))),
    (ANTHROPIC, "reasoning.effort", pb.Message(reasoning=pb.Reasoning(effort=pb.EFFORT_MINIMAL))),
    (ANTHROPIC, "format.json", pb.Message(format=pb.Format(json=True))),
    *(
        (wire, f"format.{name}", pb.Message(format=pb.Format(**{name: value})))  # type: ignore[arg-type]
        for wire in (ANTHROPIC, OLLAMA)
        for name, value in {
            "regex": "a",
            "grammar": "root",
            "choices": pb.Choices(values=["a"]),
        }.items()
    ),
    (OLLAMA, "tools[1].strict", pb.Message(tools=[TOOL, pb.Tool(name="b", strict=True)])),
    *(
        (OLLAMA, f"tool_choice.{name}", pb.Message(tools=[TOOL], tool_choice=choice))
        for name, choice in {
            "mode": pb.ToolChoice(mode=pb.ToolChoice.MODE_REQUIRED),
            "name": pb.ToolChoice(name="get"),
            "parallel": pb.ToolChoice(parallel=False),
        }.items()
    ),
    (
        ANTHROPIC,
        "history[1].role",
        pb.Message(
            history=[
                pb.Turn(role=pb.ROLE_USER, content="a"),
                pb.Turn(role=pb.ROLE_SYSTEM, content="b"),
            ]
        ),
    ),
]


async def test_what_a_provider_lacks(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A field without a counterpart is rejected by its path, and the upstream is not asked."""
    for wire in (ANTHROPIC, OLLAMA):
        async with provider_player(wire, monkeypatch) as upstream:
            for field, message in [each[1:] for each in LACKING if each[0] == wire]:
                with subtests.test(provider=wire.name, field=field):
                    message.content = "hello"
                    await check_lacking(upstream, message, field)


async def sent(upstream: Player, wire: Wire, message: pb.Message) -> dict[str, Any]:
    """Return the body of the request for `message`."""
    message.content = "hello"
    got = await upstream.play(wire.answer(*wire.body("hi"), wire.end()), message)
    assert got.text == "hi", upstream.error
    body: dict[str, Any] = json.loads(upstream.upstream.body)
    return body


SAMPLING = pb.Params(
    model="other", temperature=0.5, max_tokens=7, top_p=0.25, top_k=40, stop=["x", "y"]
)


async def test_anthropics_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every parameter that Anthropic takes is sent under its name."""
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        body = await sent(upstream, ANTHROPIC, pb.Message(params=SAMPLING, system="s"))
        assert body == {
            "model": "other",
            "temperature": 0.5,
            "max_tokens": 7,
            "top_p": 0.25,
            "top_k": 40,
            "stop_sequences": ["x", "y"],
            "stream": True,
            "system": "s",
            "messages": [{"role": "user", "content": "hello"}],
        }
        body = await sent(
            upstream,
            ANTHROPIC,
            pb.Message(reasoning=pb.Reasoning(max_tokens=2048, effort=pb.EFFORT_LOW)),
        )
        assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
        assert body["output_config"] == {"effort": "low"}
        body = await sent(
            upstream, ANTHROPIC, pb.Message(reasoning=pb.Reasoning(effort=pb.EFFORT_NONE))
        )
        assert body["thinking"] == {"type": "disabled"}
        body = await sent(upstream, ANTHROPIC, pb.Message(format=JSON_SCHEMA))
        expected = {"type": "json_schema", "schema": json.loads(SCHEMA)}
        assert body["output_config"] == {"format": expected}


CHOICES = [
    (pb.ToolChoice(mode=pb.ToolChoice.MODE_AUTO), {"type": "auto"}),
    (pb.ToolChoice(mode=pb.ToolChoice.MODE_NONE), {"type": "none"}),
    (pb.ToolChoice(mode=pb.ToolChoice.MODE_REQUIRED), {"type": "any"}),
    (pb.ToolChoice(name="get"), {"type": "tool", "name": "get"}),
    (pb.ToolChoice(parallel=False), {"type": "auto", "disable_parallel_tool_use": True}),
]


async def test_anthropics_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools, strict ones too, and every choice of them are sent in Anthropic's form."""
    schema = json.loads(SCHEMA)
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        for choice, expected in CHOICES:
            message = pb.Message(tools=[TOOL], tool_choice=choice)
            body = await sent(upstream, ANTHROPIC, message)
            assert body["tool_choice"] == expected
            assert body["tools"] == [
                {"name": "get", "description": "Gets.", "input_schema": schema}
            ]
        body = await sent(upstream, ANTHROPIC, pb.Message(tools=[STRICT]))
        assert body["tools"] == [{"name": "get", "input_schema": schema, "strict": True}]


async def test_ollamas_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every parameter that Ollama takes is sent under its name."""
    async with provider_player(OLLAMA, monkeypatch) as upstream:
        message = pb.Message(params=SAMPLING, system="s")
        message.params.seed = 3
        message.params.min_p = 0.5
        options = {"temperature": 0.5, "num_predict": 7, "top_p": 0.25, "seed": 3}
        options |= {"top_k": 40, "min_p": 0.5}
        body = await sent(upstream, OLLAMA, message)
        assert body == {
            "model": "other",
            "stream": True,
            "options": options | {"stop": ["x", "y"]},
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "hello"},
            ],
            "tools": [],
        }
        for effort, think in {pb.EFFORT_NONE: False, pb.EFFORT_HIGH: True}.items():
            reasoning = pb.Reasoning(effort=effort)
            assert (await sent(upstream, OLLAMA, pb.Message(reasoning=reasoning)))["think"] is think
        body = await sent(upstream, OLLAMA, pb.Message(format=JSON_SCHEMA))
        assert body["format"] == json.loads(SCHEMA)
        body = await sent(upstream, OLLAMA, pb.Message(format=pb.Format(json=True)))
        assert body["format"] == "json"
        none = pb.ToolChoice(mode=pb.ToolChoice.MODE_NONE)
        body = await sent(upstream, OLLAMA, pb.Message(tools=[TOOL], tool_choice=none))
        assert body["tools"] == []
        body = await sent(upstream, OLLAMA, pb.Message(tools=[TOOL]))
        function = {"name": "get", "description": "Gets.", "parameters": json.loads(SCHEMA)}
        assert body["tools"] == [{"type": "function", "function": function}]


async def test_a_parameter_that_the_upstream_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the caller that the upstream rejects by name is the caller's error."""
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        rejection = ANTHROPIC.rejection(
            "400 Bad Request", "thinking.enabled.budget_tokens: must be at least 1024"
        )
        message = pb.Message(content="hello", reasoning=pb.Reasoning(max_tokens=5))
        got = await upstream.play(rejection, message)
        assert (got.reason, got.code) == ("INVALID_PARAMETER", grpc.StatusCode.INVALID_ARGUMENT)
        assert upstream.error
        assert violated_fields_of(upstream.error) == ["reasoning.max_tokens"]


async def test_a_value_that_the_package_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that the provider's package rejects by name is the caller's error too."""
    async with provider_player(ANTHROPIC, monkeypatch) as upstream:
        params = pb.Params(model="claude-sonnet-5-5", top_p=0.5)
        got = await upstream.play([], pb.Message(content="hello", params=params))
        assert (got.reason, got.requests) == ("INVALID_PARAMETER", 0)
        assert upstream.error
        assert violated_fields_of(upstream.error) == ["params.top_p"]


@pytest.mark.parametrize(
    ("wire", "path", "header"),
    [
        (ANTHROPIC, b"POST /v1/messages HTTP/1.1", b"authorization: Bearer " + KEY.encode()),
        (
            BEDROCK,
            b"POST /model/m/converse-stream HTTP/1.1",
            b"authorization: Bearer " + KEY.encode(),
        ),
        (
            GOOGLE,
            b"POST /v1beta/models/m:streamGenerateContent?alt=sse HTTP/1.1",
            b"x-goog-api-key: " + KEY.encode(),
        ),
        (MISTRAL, b"POST /chat/completions HTTP/1.1", b"authorization: Bearer " + KEY.encode()),
        (OLLAMA, b"POST /api/chat HTTP/1.1", b"authorization: Bearer " + KEY.encode()),
    ],
)
async def test_the_key_is_sent(
    wire: Wire, path: bytes, header: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each provider's key is sent in the header that the provider expects, and only there."""
    monkeypatch.setenv("OLLAMA_API_KEY", KEY)
    heads = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"".join(each for each in wire.answer(wire.end()) if isinstance(each, bytes)))
        await writer.drain()

    async with listening(answer) as (host, port):
        select(wire, f"http://{host}:{port}", monkeypatch)
        loaded = config.load(
            provider=wire.name, model="m", listen="127.0.0.1:0", metrics_listen="127.0.0.1:0"
        )
        async with App(loaded) as app, grpc.aio.insecure_channel(app.address) as channel:
            await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello")))
    [head] = heads
    lines = head.split(b"\r\n")
    assert lines[0] == path
    assert [line.lower() for line in lines if KEY.encode() in line] == [header.lower()]
