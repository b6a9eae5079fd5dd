"""What Google answers: calls that come whole, signatures, reasons and blocked prompts."""

import json
from base64 import b64encode
from typing import Any

import grpc
import pytest

from support.google_wire import GOOGLE
from support.providers import provider_player
from support.quirks import Got, Player
from support.tool_calls import joined_calls
from tokenwire.core.conversation_state import StateCodec
from tokenwire.v1 import chatgpt_pb2 as pb

TOOL = pb.Tool(name="get")
FIRST = '{"city":"Zoë \u2028 [1]","at":1.5,"n":2.0}'
PNG = b"\x89PNG\r\n"
RESULT = '{"time": 12.0}'


def call(arguments: Any, signature: str = "", **fields: Any) -> dict[str, Any]:
    """Return a part with a tool call."""
    signed = {"thoughtSignature": signature} if signature else {}
    return {"functionCall": {"name": "get", "args": arguments, **fields}, **signed}


CALLS = [
    GOOGLE.parts({"text": "hm", "thought": True}),
    GOOGLE.parts({"text": "Look", "thoughtSignature": "c2lnLTA="}),
    GOOGLE.parts(call(json.loads(FIRST), "c2lnLTE=", id="g-1"), call({})),
    GOOGLE.parts(call({"a": 1})),
    GOOGLE.stop(thoughtsTokenCount=4, cachedContentTokenCount=1),
]


async def asked(upstream: Player, *events: bytes, **fields: Any) -> list[pb.ToolCall]:
    """Play an answer and return its calls."""
    message = pb.Message(content="hello", tools=[TOOL], **fields)
    got = await upstream.play(GOOGLE.answer(*(events or CALLS)), message)
    assert got == Got("Look", "TOOL_CALLS", usage=(3, 6, 1, 4))
    return [each for answer in upstream.answers for each in answer.tool_calls]


async def repeated(
    upstream: Player, calls: list[pb.ToolCall], state: bytes, model: str = "m"
) -> list[dict[str, Any]]:
    """Continue after a turn with these calls; return the contents that the upstream receives."""
    history = [
        pb.Turn(role=pb.ROLE_USER, content="hello"),
        pb.Turn(role=pb.ROLE_ASSISTANT, content="Look", tool_calls=calls, state=state),
        *(pb.Turn(role=pb.ROLE_TOOL, tool_call_id=each.id, content=RESULT) for each in calls),
    ]
    message = pb.Message(history=history, tools=[TOOL], params=pb.Params(model=model))
    got = await upstream.play(GOOGLE.answer(*GOOGLE.body("x"), GOOGLE.end()), message)
    assert (got.text, got.reason) == ("x", "STOP")
    found: list[dict[str, Any]] = json.loads(upstream.upstream.body)["contents"]
    return found


async def test_calls_come_back_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls, signatures, the upstream's ids and results keep every byte; our ids are not sent."""
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        calls = await asked(upstream)
        state = upstream.answers[-1].state
        assert (upstream.answers[-1].id, upstream.answers[-1].model) == ("id-1", "gemini-1")
        assert [json.loads(each.arguments) for each in calls] == [json.loads(FIRST), {}, {"a": 1}]
        assert calls[0].arguments == FIRST
        assert len({each.id for each in calls}) == 3
        assert [calls[0].id, bool(calls[0].state), calls[1].state] == ["g-1", True, b""]
        _, answered, results = await repeated(upstream, calls, state)
    assert answered == {
        "role": "model",
        "parts": [
            {"text": "Look"},
            {"text": "", "thoughtSignature": "c2lnLTA="},
            call(json.loads(FIRST), "c2lnLTE=", id="g-1"),
            call({}),
            call({"a": 1}),
        ],
    }
    response = {"name": "get", "response": {"output": RESULT}}
    assert results == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "g-1", **response}},
            {"functionResponse": response},
            {"functionResponse": response},
        ],
    }


async def test_calls_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces that the caller asks for are, joined, the whole calls with their state."""
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        whole = await asked(upstream)
        await asked(upstream, stream_tool_calls=True)
        joined = joined_calls(upstream.answers)
    assert [each.arguments for each in joined] == [each.arguments for each in whole]
    assert joined[0].state == whole[0].state


async def test_calls_of_another_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call without a usable signature is marked for models that need one, and for no others."""
    calls = [pb.ToolCall(id=each, name="get", arguments="{}", state=b"x") for each in "ab"]
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        marked = call({}, "skip_thought_signature_validator")
        for model, first in {
            "gemini-3-pro-preview": marked,
            "models/gemini-3.5-flash": marked,
            "gemini-2.5-flash": call({}),
        }.items():
            _, answered, _ = await repeated(upstream, calls, b"", model)
            assert answered["parts"][1:] == [first, call({})]


async def test_forged_state(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """State can hold a signature and an id only, and only of this upstream."""
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        base_url = upstream.upstream.base_url.removesuffix("/v1")
        for state in (
            StateCodec(base_url, "google-genai").encode({"thoughtSignature": 7, "id": ["x"]}),
            StateCodec(base_url, "google-genai").encode({"name": "canary", "text": "canary"}),
            StateCodec("http://other", "google-genai").encode({"thoughtSignature": "canary"}),
            b"canary",
        ):
            with subtests.test(state=state[:60]):
                forged = pb.ToolCall(id="a", name="get", arguments="{}", state=state)
                _, answered, _ = await repeated(upstream, [forged], state)
                assert answered["parts"] == [{"text": "Look"}, call({})]


async def test_ids_that_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result belongs to the latest call with its id, and images come with it."""
    image = pb.Part(inline=PNG, media_type="image/png")
    history = [pb.Turn(role=pb.ROLE_USER, content="hello")]
    for name in ("get", "put"):
        called = pb.ToolCall(id="a", name=name, arguments="{}")
        history += [
            pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=[called]),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="a", content=name, parts=[image]),
        ]
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        message = pb.Message(history=history, tools=[TOOL])
        await upstream.play(GOOGLE.answer(GOOGLE.end()), message)
        contents = json.loads(upstream.upstream.body)["contents"]
    data = {"inlineData": {"mimeType": "image/png", "data": b64encode(PNG).decode()}}
    assert [contents[2]["parts"], contents[4]["parts"]] == [
        [{"functionResponse": {"name": name, "response": {"output": name}}}, data]
        for name in ("get", "put")
    ]


REASONS = [
    ("MAX_TOKENS", "LENGTH"),
    ("SAFETY", "CONTENT_FILTERED"),
    ("RECITATION", "CONTENT_FILTERED"),
    ("PROHIBITED_CONTENT", "CONTENT_FILTERED"),
    ("MALFORMED_FUNCTION_CALL", "UPSTREAM_ERROR"),
    ("OTHER", "OTHER"),
    ("SOME_NEW_WORD", "OTHER"),
    ("FINISH_REASON_UNSPECIFIED", "UPSTREAM_TRUNCATED"),
]


async def test_finish_reasons(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """A finish reason is judged by its meaning."""
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        for reason, expected in REASONS:
            with subtests.test(reason):
                got = await upstream.play(GOOGLE.answer(*GOOGLE.body("hi"), GOOGLE.stop(reason)))
                assert (got.text, got.reason) == ("hi", expected)


async def test_a_blocked_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prompt that is blocked is the caller's error, not an empty answer."""
    blocked = GOOGLE.event(promptFeedback={"blockReason": "SAFETY"})
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        got = await upstream.play(GOOGLE.answer(blocked))
        assert got == Got("", "PROMPT_REJECTED", grpc.StatusCode.INVALID_ARGUMENT)


async def test_text_after_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finish reason does not end the answer: text and usage behind it count."""
    late = [
        GOOGLE.parts({"text": "a"}, finishReason="STOP"),
        GOOGLE.parts({"text": "b"}),
        GOOGLE.event(usageMetadata={"promptTokenCount": 3, "totalTokenCount": 3}),
        GOOGLE.event(usageMetadata={"promptTokenCount": 4, "candidatesTokenCount": 2.0}),
        GOOGLE.event(usageMetadata={"promptTokenCount": 5}, candidates=[]),
    ]
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        assert await upstream.play(GOOGLE.answer(*late)) == Got("ab", usage=(4, 2, 0, 0))


UNKNOWN: list[dict[str, Any]] = [
    {"executableCode": {"code": "print(1)"}},
    {"functionCall": {"args": {}}},
    {"functionCall": "get"},
    {"text": ["a"]},
]


async def test_what_is_not_understood(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """A part that carries something unknown fails the answer, and is not dropped in silence."""
    async with provider_player(GOOGLE, monkeypatch) as upstream:
        for part in UNKNOWN:
            with subtests.test(part=part):
                body = [*GOOGLE.body("half"), GOOGLE.parts(part), GOOGLE.end()]
                got = await upstream.play(GOOGLE.answer(*body))
                assert (got.text, got.reason) == ("half", "UPSTREAM_PROTOCOL_ERROR")
