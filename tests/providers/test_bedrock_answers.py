"""What Bedrock answers: calls in pieces, signed reasoning, reasons, usage and exceptions."""

import json
from typing import Any

import grpc
import pytest

from support.bedrock_wire import BEDROCK, START, call, delta, event, exception, message
from support.providers import provider_player
from support.quirks import Got, Player
from support.tool_calls import joined_calls
from support.wire import CANARY
from tokenwire.core.conversation_state import StateCodec
from tokenwire.v1 import chatgpt_pb2 as pb

ABORTED = grpc.StatusCode.ABORTED
INTERNAL = grpc.StatusCode.INTERNAL
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

TOOL = pb.Tool(name="get")
FIRST = '{"the_city":"Zoë \u2028 [1]","at":1.5,"n":2.0}'
SIGNED = [
    START,
    delta(reasoningContent={"text": "Let me "}),
    delta(reasoningContent={"text": "look."}),
    delta(reasoningContent={"signature": "c2lnbmVk"}),
    event("contentBlockStop", contentBlockIndex=0),
    delta(1, reasoningContent={"redactedContent": "c2VjcmV0"}),
    event("contentBlockStop", contentBlockIndex=1),
    delta(2, text="Look"),
    event("contentBlockStop", contentBlockIndex=2),
    *call(3, "tooluse_1", "get", "", FIRST[:20], FIRST[20:]),
    *call(4, "tooluse_2", "get"),
    BEDROCK.stop("tool_use", cacheReadInputTokens=4, cacheWriteInputTokens=2),
]
REASONING = [
    {"reasoningContent": {"reasoningText": {"text": "Let me look.", "signature": "c2lnbmVk"}}},
    {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
]


async def asked(upstream: Player, **fields: Any) -> list[pb.ToolCall]:
    """Play an answer with reasoning and calls, and return its calls."""
    got = await upstream.play(
        BEDROCK.answer(*SIGNED), pb.Message(content="hello", tools=[TOOL], **fields)
    )
    assert got == Got("Look", "TOOL_CALLS", usage=(9, 2, 4, 0))
    return [each for answer in upstream.answers for each in answer.tool_calls]


async def repeated(upstream: Player, calls: list[pb.ToolCall], state: bytes) -> list[Any]:
    """Continue after a turn with these calls; return the messages that the upstream receives."""
    history = [
        pb.Turn(role=pb.ROLE_USER, content="hello"),
        pb.Turn(role=pb.ROLE_ASSISTANT, content="Look", tool_calls=calls, state=state),
        pb.Turn(role=pb.ROLE_TOOL, tool_call_id=calls[0].id, content='{"time": 12.0}'),
        *(pb.Turn(role=pb.ROLE_TOOL, tool_call_id=each.id) for each in calls[1:]),
    ]
    got = await upstream.play(
        BEDROCK.answer(*BEDROCK.body("x"), BEDROCK.end()),
        pb.Message(history=history, tools=[TOOL]),
    )
    assert (got.text, got.reason) == ("x", "STOP")
    found: list[Any] = json.loads(upstream.upstream.body)["messages"]
    return found


async def test_calls_and_signed_reasoning_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reasoning, calls, their ids and their results keep every byte, in the order of Converse."""
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        calls = await asked(upstream, reasoning=pb.Reasoning(show=True))
        assert "".join(each.reasoning for each in upstream.answers) == "Let me look."
        assert [each.id for each in calls] == ["tooluse_1", "tooluse_2"]
        assert [each.arguments for each in calls] == [FIRST, "{}"]
        assert upstream.answers[-1].usage.cache_write_input_tokens == 2
        _, answered, results = await repeated(upstream, calls, upstream.answers[-1].state)
    assert answered["content"] == [
        *REASONING,
        {"text": "Look"},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "get", "input": json.loads(FIRST)}},
        {"toolUse": {"toolUseId": "tooluse_2", "name": "get", "input": {}}},
    ]
    assert results == {
        "role": "user",
        "content": [
            {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": '{"time": 12.0}'}]}},
            {"toolResult": {"toolUseId": "tooluse_2", "content": [{"text": "."}]}},
        ],
    }


async def test_calls_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces that the caller asks for are, joined, the whole calls."""
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        whole = await asked(upstream)
        await asked(upstream, stream_tool_calls=True)
        joined = joined_calls(upstream.answers)
    assert [each.arguments for each in joined] == [each.arguments for each in whole]


async def test_reasoning_without_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that does not sign its reasoning does not need it back: there is no state."""
    body = [START, BEDROCK.thought("hm"), *call(1, "a", "get"), BEDROCK.stop("tool_use")]
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        await upstream.play(BEDROCK.answer(*body), pb.Message(content="hello", tools=[TOOL]))
        assert upstream.error is None
        assert upstream.answers[-1].state == b""


async def test_forged_state(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """State can hold reasoning only, and only of this upstream."""
    forged = pb.ToolCall(id="a", name="get", arguments="{}")
    block = {"type": "thinking", "thinking": "x", "signature": "canary"}
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        base_url = upstream.upstream.base_url.removesuffix("/v1")
        for state in (
            StateCodec(base_url, "bedrock").encode({"blocks": [{"text": "canary"}, 7]}),
            StateCodec(base_url, "bedrock").encode({"blocks": [{**block, "signature": 7}]}),
            StateCodec(base_url, "anthropic").encode({"blocks": [block]}),
            b"canary",
        ):
            with subtests.test(state=state[:60]):
                _, answered, _ = await repeated(upstream, [forged], state)
                assert [*map(list, answered["content"])] == [["text"], ["toolUse"]]


REASONS = [
    ("end_turn", "STOP"),
    ("stop_sequence", "STOP"),
    ("max_tokens", "LENGTH"),
    ("model_context_window_exceeded", "LENGTH"),
    ("guardrail_intervened", "CONTENT_FILTERED"),
    ("content_filtered", "CONTENT_FILTERED"),
    ("malformed_model_output", "UPSTREAM_ERROR"),
    ("malformed_tool_use", "UPSTREAM_ERROR"),
    ("some_new_word", "OTHER"),
    ("", "UPSTREAM_TRUNCATED"),
]


async def test_finish_reasons(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """A finish reason is judged by its meaning."""
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        for reason, expected in REASONS:
            with subtests.test(reason):
                got = await upstream.play(BEDROCK.answer(*BEDROCK.body("hi"), BEDROCK.stop(reason)))
                assert (got.text, got.reason) == ("hi", expected)


EXCEPTIONS: list[tuple[str, str, Got, Got]] = [
    (
        "throttlingException",
        CANARY,
        Got("", "UPSTREAM_RATE_LIMITED", RESOURCE_EXHAUSTED, requests=2),
        Got("half", "UPSTREAM_ERROR", ABORTED),
    ),
    *(
        (
            name,
            CANARY,
            Got("", "UPSTREAM_ERROR", UNAVAILABLE, requests=2),
            Got("half", "UPSTREAM_ERROR", ABORTED),
        )
        for name in (
            "internalServerException",
            "modelStreamErrorException",
            "serviceUnavailableException",
            "someNewException",
        )
    ),
    (
        "validationException",
        "Input is too long for requested model.",
        Got("", "PROMPT_TOO_LONG", INVALID_ARGUMENT),
        Got("half", "UPSTREAM_ERROR", ABORTED),
    ),
    (
        "validationException",
        CANARY,
        Got("", "UPSTREAM_REJECTED_REQUEST", INTERNAL),
        Got("half", "UPSTREAM_ERROR", ABORTED),
    ),
]


async def test_exceptions(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """An exception in the stream is a failure of the table, before the first text and after it."""
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        for name, text, early, late in EXCEPTIONS:
            with subtests.test(name=name, text=text):
                failed = exception(name, text)
                assert await upstream.play(BEDROCK.answer(START, failed)) == early
                assert CANARY not in repr(upstream.error)
                got = await upstream.play(BEDROCK.answer(*BEDROCK.body("half"), failed))
                assert got == late
                assert CANARY not in repr(upstream.error)


async def test_an_error_without_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that reports an error of the transport fails the answer too."""
    failed = message(b"", message_type="error", error_code="InternalFailure", error_message=CANARY)
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        got = await upstream.play(BEDROCK.answer(*BEDROCK.body("half"), failed))
        assert got == Got("half", "UPSTREAM_ERROR", ABORTED)
        assert CANARY not in repr(upstream.error)


IGNORED = [
    event("someNewEvent", data=[1]),
    event("contentBlockStart", contentBlockIndex=0, start={}),
    delta(citation={"title": "x"}),
    delta(),
]
UNKNOWN = [
    delta(someNewContent={"a": 1}),
    delta(image={"source": {"bytes": "eA=="}}),
    delta(reasoningContent="x"),
    delta(reasoningContent={"text": 7}),
    delta(toolUse={"input": {}}),
    event("contentBlockDelta", contentBlockIndex="x", delta={"toolUse": {"input": "{}"}}),
    event("contentBlockDelta", contentBlockIndex=0),
    event("contentBlockStart", contentBlockIndex=0, start={"toolUse": {"toolUseId": "a"}}),
    event("contentBlockStart", contentBlockIndex=0),
]


async def test_what_is_not_understood(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """New events are passed over; content of an unknown form fails the answer."""
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        got = await upstream.play(BEDROCK.answer(*BEDROCK.body("all"), *IGNORED, BEDROCK.end()))
        assert (got.text, got.reason) == ("all", "STOP")
        for number, piece in enumerate(UNKNOWN):
            with subtests.test(number=number):
                body = [*BEDROCK.body("half"), piece, BEDROCK.end()]
                got = await upstream.play(BEDROCK.answer(*body))
                assert (got.text, got.reason) == ("half", "UPSTREAM_PROTOCOL_ERROR")


async def test_an_answer_without_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that ends without its usage is whole."""
    stop = event("messageStop", stopReason="end_turn")
    async with provider_player(BEDROCK, monkeypatch) as upstream:
        assert await upstream.play(BEDROCK.answer(*BEDROCK.body("all"), stop)) == Got("all")
