"""What Bedrock receives: the names of its fields, and messages as Converse requires them."""

import json
from base64 import b64encode
from typing import Any

import pytest

from support.bedrock_wire import BEDROCK
from support.providers import check_lacking, provider_player
from support.quirks import Player
from tokenwire.v1 import chatgpt_pb2 as pb

SCHEMA = '{"type":"object","properties":{"a_b":{"type":["string","null"],"pattern":"^x"}}}'
TOOL = pb.Tool(name="get", description="Gets.", parameters=SCHEMA)
PNG = b"\x89PNG\r\n"
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = {"role": "user", "content": [{"text": "hello"}]}


async def sent(upstream: Player, message: pb.Message) -> dict[str, Any]:
    """Return the body of the request for `message`."""
    message.content = message.content or "hello"
    got = await upstream.play(BEDROCK.answer(*BEDROCK.body("hi"), BEDROCK.end()), message)
    assert got.text == "hi", upstream.error
    body: dict[str, Any] = json.loads(upstream.upstream.body)
    return body


async def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every parameter that Bedrock takes is sent under its name, and nothing else is."""
    params = pb.Params(model=CLAUDE, temperature=0.0, max_tokens=7, top_p=1.0, stop=["x", "y"])
    message = pb.Message(
        params=params,
        system="Be brief.",
        history=[pb.Turn(role=pb.ROLE_SYSTEM, content="Be kind.")],
        reasoning=pb.Reasoning(effort=pb.EFFORT_HIGH, max_tokens=2048),
        format=pb.Format(json_schema=pb.JsonSchema(name="a", schema=SCHEMA)),
        tools=[TOOL, pb.Tool(name="put", parameters=SCHEMA, strict=True)],
        tool_choice=pb.ToolChoice(name="get"),
    )
    schema = {"json": json.loads(SCHEMA)}
    json_schema = {"schema": SCHEMA, "name": "a"}
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        assert await sent(upstream, message) == {
            "messages": [HELLO],
            "system": [{"text": "Be brief."}, {"text": "Be kind."}],
            "inferenceConfig": {
                "temperature": 0.0,
                "maxTokens": 7,
                "topP": 1.0,
                "stopSequences": ["x", "y"],
            },
            "toolConfig": {
                "tools": [
                    {"toolSpec": {"name": "get", "description": "Gets.", "inputSchema": schema}},
                    {"toolSpec": {"name": "put", "inputSchema": schema, "strict": True}},
                ],
                "toolChoice": {"tool": {"name": "get"}},
            },
            "additionalModelRequestFields": {
                "thinking": {"type": "enabled", "budget_tokens": 2048}
            },
            "outputConfig": {
                "effort": "high",
                "textFormat": {
                    "type": "json_schema",
                    "structure": {"jsonSchema": json_schema},
                },
            },
        }
        assert upstream.upstream.head.startswith(
            b"POST /model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream HTTP/1.1"
        )
        assert await sent(upstream, pb.Message()) == {"messages": [HELLO]}
        for mode, name in {
            pb.ToolChoice.MODE_AUTO: "auto",
            pb.ToolChoice.MODE_REQUIRED: "any",
        }.items():
            choice = pb.ToolChoice(mode=mode)
            body = await sent(upstream, pb.Message(tools=[TOOL], tool_choice=choice))
            assert body["toolConfig"]["toolChoice"] == {name: {}}


async def test_messages_alternate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neighbours of the same role are one message, and blank texts, which AWS rejects, none."""
    history = [
        pb.Turn(role=pb.ROLE_USER, content="  one\n"),
        pb.Turn(role=pb.ROLE_USER, content="two"),
        pb.Turn(role=pb.ROLE_ASSISTANT, content="three"),
        pb.Turn(role=pb.ROLE_ASSISTANT, content=" \n"),
        pb.Turn(role=pb.ROLE_ASSISTANT, content="four"),
        pb.Turn(role=pb.ROLE_USER, content="five"),
    ]
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        body = await sent(upstream, pb.Message(history=history))
    assert body["messages"] == [
        {"role": "user", "content": [{"text": "  one\n"}, {"text": "two"}]},
        {"role": "assistant", "content": [{"text": "three"}, {"text": "four"}]},
        {"role": "user", "content": [{"text": "five"}, {"text": "hello"}]},
    ]


async def test_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images, audio and documents are blocks after the text, in turns and in results too."""
    types = {"image/jpeg": "jpeg", "audio/mpeg": "mp3", "application/pdf": "pdf"}
    parts = [pb.Part(inline=PNG, media_type=each, name="Ignore all.") for each in types]
    called = pb.ToolCall(id="a", name="get", arguments="{}")
    history = [
        pb.Turn(role=pb.ROLE_USER, parts=parts[:1]),
        pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=[called]),
        pb.Turn(role=pb.ROLE_TOOL, tool_call_id="a", content="map", parts=[parts[2]]),
    ]
    source = {"bytes": b64encode(PNG).decode()}
    image = {"image": {"format": "jpeg", "source": source}}
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        message = pb.Message(parts=parts, history=history, tools=[TOOL])
        body = await sent(upstream, message)
    document = {"format": "pdf", "source": source}
    result = [{"text": "map"}, {"document": {**document, "name": "document 1"}}]
    assert body["messages"] == [
        {"role": "user", "content": [image]},
        {
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "a", "name": "get", "input": {}}}],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "a", "content": result}},
                {"text": "hello"},
                image,
                {"audio": {"format": "mp3", "source": source}},
                {"document": {**document, "name": "document 2"}},
            ],
        },
    ]


LACKING: list[tuple[str, pb.Message]] = [
    *(
        (f"params.{name}", pb.Message(params=pb.Params(**{name: value})))  # type: ignore[arg-type]
        for name, value in {
            "top_k": 4,
            "min_p": 0.0,
            "seed": 0,
            "frequency_penalty": 0.0,
            "presence_penalty": 1.0,
            "user": "u",
            "top_logprobs": 0,
            "logit_bias": {7: 1},
            "service_tier": pb.SERVICE_TIER_AUTO,
        }.items()
    ),
    *(
        (f"format.{name}", pb.Message(format=pb.Format(**{name: value})))  # type: ignore[arg-type]
        for name, value in {
            "json": True,
            "regex": "a",
            "grammar": "root",
            "choices": pb.Choices(values=["a"]),
        }.items()
    ),
    ("reasoning.effort", pb.Message(reasoning=pb.Reasoning(effort=pb.EFFORT_NONE))),
    ("reasoning.effort", pb.Message(reasoning=pb.Reasoning(effort=pb.EFFORT_MINIMAL))),
    ("reasoning.max_tokens", pb.Message(reasoning=pb.Reasoning(max_tokens=2048))),
    (
        "tool_choice.mode",
        pb.Message(tools=[TOOL], tool_choice=pb.ToolChoice(mode=pb.ToolChoice.MODE_NONE)),
    ),
    (
        "tool_choice.parallel",
        pb.Message(tools=[TOOL], tool_choice=pb.ToolChoice(parallel=False)),
    ),
    ("parts[0].url", pb.Message(parts=[pb.Part(url="https://a.b/c.png")])),
    ("parts[0].media_type", pb.Message(parts=[pb.Part(inline=PNG, media_type="image/tiff")])),
    (
        "history[0].parts[1].media_type",
        pb.Message(
            history=[
                pb.Turn(
                    role=pb.ROLE_USER,
                    parts=[
                        pb.Part(inline=PNG, media_type="image/png"),
                        pb.Part(inline=b"{}", media_type="application/json"),
                    ],
                )
            ]
        ),
    ),
    (
        "history[1].parts[0]",
        pb.Message(
            history=[
                pb.Turn(
                    role=pb.ROLE_ASSISTANT,
                    tool_calls=[pb.ToolCall(id="a", name="get", arguments="{}")],
                ),
                pb.Turn(
                    role=pb.ROLE_TOOL,
                    tool_call_id="a",
                    parts=[pb.Part(inline=b"RIFF", media_type="audio/wav")],
                ),
            ],
            tools=[TOOL],
        ),
    ),
    (
        "parts[0].detail",
        pb.Message(parts=[pb.Part(inline=PNG, media_type="image/png", detail=pb.DETAIL_LOW)]),
    ),
    (
        "history[1].role",
        pb.Message(
            history=[
                pb.Turn(role=pb.ROLE_USER, content="a"),
                pb.Turn(role=pb.ROLE_SYSTEM, content="b"),
            ]
        ),
    ),
]


async def test_what_bedrock_lacks(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A field without a counterpart is rejected by its path, and the upstream is not asked."""
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        for field, message in LACKING:
            with subtests.test(field=field):
                message.content = "hello"
                await check_lacking(upstream, message, field)


async def test_a_name_that_is_no_models(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A name with which the request would go to another address is rejected."""
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        for name in ("../x", "..", ".", "a?b", "a#b", "a%2e", "a b", "/a", "é"):
            with subtests.test(name):
                message = pb.Message(content="hello", params=pb.Params(model=name))
                got = await upstream.play([], message)
                assert (got.reason, got.requests) == ("UNKNOWN_MODEL", 0)
        await sent(upstream, pb.Message(params=pb.Params(model="a/../b")))
        assert b"POST /model/a%2F..%2Fb/converse-stream HTTP/1.1" in upstream.upstream.head
