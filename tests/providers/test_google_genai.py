"""What Google receives: the names of its fields, and a body without the package's changes."""

import json
from base64 import b64encode
from typing import Any

import pytest

from support.google_wire import GOOGLE
from support.helpers import retry_delay_of
from support.providers import check_lacking, provider_player
from support.quirks import Player
from support.raw_upstream import Piece
from tokenwire.v1 import chatgpt_pb2 as pb

SCHEMA = '{"type":"object","properties":{"a":{"type":["string","null"],"pattern":"^x"}}}'
TOOL = pb.Tool(name="get", description="Gets.", parameters=SCHEMA)
PNG = b"\x89PNG\r\n"
HELLO = {"role": "user", "parts": [{"text": "hello"}]}


async def sent(upstream: Player, message: pb.Message) -> dict[str, Any]:
    """Return the body of the request for `message`."""
    message.content = message.content or "hello"
    got = await upstream.play(GOOGLE.answer(*GOOGLE.body("hi"), GOOGLE.end()), message)
    assert got.text == "hi", upstream.error
    body: dict[str, Any] = json.loads(upstream.upstream.body)
    return body


async def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every parameter that Google takes is sent under its name, and nothing else is."""
    params = pb.Params(
        model="gemini-3-pro-preview",
        temperature=0.0,
        max_tokens=7,
        top_p=1.0,
        top_k=4,
        stop=["x", "y"],
        seed=3,
        frequency_penalty=0.5,
        presence_penalty=-0.5,
    )
    message = pb.Message(
        params=params,
        system="Be brief.",
        history=[pb.Turn(role=pb.ROLE_SYSTEM, content="Be kind.")],
        reasoning=pb.Reasoning(effort=pb.EFFORT_HIGH),
        format=pb.Format(json_schema=pb.JsonSchema(name="a", schema=SCHEMA)),
        tools=[TOOL],
        tool_choice=pb.ToolChoice(name="get"),
    )
    schema = json.loads(SCHEMA)
    declaration = {"name": "get", "description": "Gets.", "parametersJsonSchema": schema}
    calling = {"mode": "ANY", "allowedFunctionNames": ["get"]}
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        assert await sent(upstream, message) == {
            "contents": [HELLO],
            "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
            "tools": [{"functionDeclarations": [declaration]}],
            "toolConfig": {"functionCallingConfig": calling},
            "generationConfig": {
                "temperature": 0.0,
                "maxOutputTokens": 7,
                "topP": 1.0,
                "topK": 4,
                "stopSequences": ["x", "y"],
                "seed": 3,
                "frequencyPenalty": 0.5,
                "presencePenalty": -0.5,
                "thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True},
                "responseMimeType": "application/json",
                "responseJsonSchema": schema,
            },
        }
        first = upstream.upstream.head.partition(b"\r\n")[0]
        path = b"/v1beta/models/gemini-3-pro-preview:streamGenerateContent?alt=sse"
        assert first == b"POST " + path + b" HTTP/1.1"
        assert await sent(upstream, pb.Message()) == {"contents": [HELLO]}


THINKING: list[tuple[pb.Reasoning, dict[str, Any]]] = [
    (pb.Reasoning(effort=pb.EFFORT_NONE), {"thinkingBudget": 0}),
    (pb.Reasoning(max_tokens=9), {"thinkingBudget": 9, "includeThoughts": True}),
    (pb.Reasoning(show=True), {"includeThoughts": True}),
]
MODES = [
    (pb.ToolChoice.MODE_AUTO, "AUTO"),
    (pb.ToolChoice.MODE_NONE, "NONE"),
    (pb.ToolChoice.MODE_REQUIRED, "ANY"),
]


async def test_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reasoning, the choice of tools and JSON without a schema have Google's values."""
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        for reasoning, expected in THINKING:
            body = await sent(upstream, pb.Message(reasoning=reasoning))
            assert body["generationConfig"] == {"thinkingConfig": expected}
        for mode, name in MODES:
            choice = pb.ToolChoice(mode=mode)
            body = await sent(upstream, pb.Message(tools=[TOOL], tool_choice=choice))
            assert body["toolConfig"] == {"functionCallingConfig": {"mode": name}}
        body = await sent(upstream, pb.Message(format=pb.Format(json=True)))
        assert body["generationConfig"] == {"responseMimeType": "application/json"}


async def test_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images, audio and files are inline data after the text, in the message and in turns."""
    types = ("image/png", "audio/wav", "application/pdf")
    parts = [pb.Part(inline=PNG, media_type=each) for each in types]
    history = [pb.Turn(role=pb.ROLE_USER, parts=parts[:1])]
    data = [{"inlineData": {"mimeType": each, "data": b64encode(PNG).decode()}} for each in types]
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        body = await sent(upstream, pb.Message(parts=parts, history=history))
    assert body["contents"] == [
        {"role": "user", "parts": data[:1]},
        {"role": "user", "parts": [{"text": "hello"}, *data]},
    ]


LACKING: list[tuple[str, pb.Message]] = [
    *(
        (f"params.{name}", pb.Message(params=pb.Params(**{name: value})))  # type: ignore[arg-type]
        for name, value in {
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
    ("reasoning.effort", pb.Message(reasoning=pb.Reasoning(effort=pb.EFFORT_XHIGH))),
    ("tools[0].strict", pb.Message(tools=[pb.Tool(name="a", strict=True)])),
    (
        "tool_choice.parallel",
        pb.Message(tools=[TOOL], tool_choice=pb.ToolChoice(parallel=False)),
    ),
    ("parts[0].url", pb.Message(parts=[pb.Part(url="https://a.b/c.png")])),
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


async def test_what_google_lacks(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A field without a counterpart is rejected by its path, and the upstream is not asked."""
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        for field, message in LACKING:
            with subtests.test(field=field):
                message.content = "hello"
                await check_lacking(upstream, message, field)


async def test_a_name_that_is_no_models(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A name with which the request would go to another address is rejected."""
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        for name in ("../x", "a/b", "a?b", "a#b", "a%2e", "a b", "models/..", "models/a/b", "é"):
            with subtests.test(name):
                message = pb.Message(content="hello", params=pb.Params(model=name))
                got = await upstream.play([], message)
                assert (got.reason, got.requests) == ("UNKNOWN_MODEL", 0)
        message = pb.Message(params=pb.Params(model="tunedModels/a-1.5"))
        await sent(upstream, message)
        assert b"/v1beta/tunedModels/a-1.5:stream" in upstream.upstream.head


def rejection(code: int, status: str, message: str, *details: dict[str, Any]) -> list[Piece]:
    """Return the pieces of a rejection, in Google's form."""
    error = {"code": code, "message": message, "status": status, "details": details}
    pieces = GOOGLE.rejection(f"{code} Any")
    pieces[1] = json.dumps({"error": error}).encode()
    return pieces


async def test_rejections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's own words and details decide."""
    violation = {"fieldViolations": [{"field": "generation_config.seed", "description": "x"}]}
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "9s"}
    too_long = "The input token count (1200) exceeds the maximum number of tokens allowed (1000)."
    message = pb.Message(content="hello", params=pb.Params(seed=-1))
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        for pieces, reason in (
            (rejection(400, "INVALID_ARGUMENT", "x", violation), "INVALID_PARAMETER"),
            (
                rejection(400, "INVALID_ARGUMENT", "API key not valid.", info),
                "UPSTREAM_AUTH_REJECTED",
            ),
            (rejection(400, "INVALID_ARGUMENT", too_long), "PROMPT_TOO_LONG"),
            (rejection(429, "RESOURCE_EXHAUSTED", "Try later.", wait), "UPSTREAM_RATE_LIMITED"),
        ):
            got = await upstream.play(pieces, message)
            assert (got.reason, got.requests) == (reason, 1)
        assert upstream.error
        assert retry_delay_of(upstream.error) == 9
