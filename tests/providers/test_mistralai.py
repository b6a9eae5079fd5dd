"""What Mistral receives: its names of parameters, and none of the package's defaults."""

import json
from typing import Any

import grpc
import pytest

from support.app import MODEL
from support.helpers import violated_fields_of
from support.mistral_wire import MISTRAL
from support.providers import check_lacking, provider_player
from support.quirks import Player
from tokenwire.v1 import chatgpt_pb2 as pb

SCHEMA = '{"type":"object","properties":{"a":{"type":"string","format":"date"}}}'
TOOL = pb.Tool(name="get", description="Gets.", parameters=SCHEMA, strict=True)
PNG = b"\x89PNG\r\n"


async def sent(upstream: Player, message: pb.Message) -> dict[str, Any]:
    """Return the body of the request for `message`."""
    message.content = message.content or "hello"
    got = await upstream.play(MISTRAL.answer(*MISTRAL.body("hi"), MISTRAL.end()), message)
    assert got.text == "hi", upstream.error
    body: dict[str, Any] = json.loads(upstream.upstream.body)
    return body


async def test_the_packages_defaults_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a request without parameters, the upstream receives none: the model's own apply."""
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        assert await sent(upstream, pb.Message(system="s")) == {
            "model": MODEL,
            "stream": True,
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "hello"},
            ],
        }


async def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every parameter that Mistral takes is sent under its name."""
    params = pb.Params(
        model="other",
        temperature=0.0,
        max_tokens=7,
        top_p=1.0,
        stop=["x", "y"],
        seed=3,
        frequency_penalty=0.5,
        presence_penalty=-0.5,
    )
    reasoning = pb.Reasoning(effort=pb.EFFORT_HIGH)
    form = pb.Format(json_schema=pb.JsonSchema(name="a", schema=SCHEMA, strict=True))
    choice = pb.ToolChoice(name="get", parallel=False)
    message = pb.Message(
        params=params, reasoning=reasoning, format=form, tools=[TOOL], tool_choice=choice
    )
    schema = json.loads(SCHEMA)
    function = {"name": "get", "description": "Gets.", "parameters": schema, "strict": True}
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        assert await sent(upstream, message) == {
            "model": "other",
            "stream": True,
            "messages": [{"role": "user", "content": "hello"}],
            "temperature": 0.0,
            "max_tokens": 7,
            "top_p": 1.0,
            "stop": ["x", "y"],
            "random_seed": 3,
            "frequency_penalty": 0.5,
            "presence_penalty": -0.5,
            "reasoning_effort": "high",
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": schema, "strict": True},
            },
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "get"}},
            "parallel_tool_calls": False,
        }
        body = await sent(upstream, pb.Message(format=pb.Format(json=True)))
        assert body["response_format"] == {"type": "json_object"}


LACKING: list[tuple[str, pb.Message]] = [
    *(
        (f"params.{name}", pb.Message(params=pb.Params(**{name: value})))  # type: ignore[arg-type]
        for name, value in {
            "top_k": 1,
            "min_p": 0.0,
            "user": "u",
            "top_logprobs": 0,
            "logit_bias": {7: 1},
            "service_tier": pb.SERVICE_TIER_AUTO,
        }.items()
    ),
    *(
        (f"format.{name}", pb.Message(format=pb.Format(**{name: value})))  # type: ignore[arg-type]
        for name, value in {
            "regex": "a",
            "grammar": "root",
            "choices": pb.Choices(values=["a"]),
        }.items()
    ),
    ("reasoning.max_tokens", pb.Message(reasoning=pb.Reasoning(max_tokens=9))),
    ("parts[0]", pb.Message(parts=[pb.Part(inline=PNG, media_type="application/pdf")])),
    ("parts[0].detail", pb.Message(parts=[pb.Part(url="https://a.b/c", detail=pb.DETAIL_LOW)])),
]


async def test_what_mistral_lacks(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A field without a counterpart is rejected by its path, and the upstream is not asked."""
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        for field, message in LACKING:
            with subtests.test(field=field):
                message.content = "hello"
                await check_lacking(upstream, message, field)


async def test_a_parameter_that_mistral_rejects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that the upstream rejects by Mistral's name of it is the caller's error."""
    body = {"detail": [{"loc": ["body", "random_seed"], "msg": "Input should be positive"}]}
    rejection = MISTRAL.rejection("422 Unprocessable Entity")
    rejection[1] = json.dumps(body).encode()
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        message = pb.Message(content="hello", params=pb.Params(seed=5))
        got = await upstream.play(rejection, message)
        assert (got.reason, got.code) == ("INVALID_PARAMETER", grpc.StatusCode.INVALID_ARGUMENT)
        assert upstream.error
        assert violated_fields_of(upstream.error) == ["params.seed"]


async def test_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are parts of the content after the text, inline or linked."""
    parts = [pb.Part(inline=PNG, media_type="image/png"), pb.Part(url="https://a.b/c.png")]
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        body = await sent(upstream, pb.Message(parts=parts))
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "hello"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
        {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}},
    ]
