"""What Mistral answers: lists of parts, and tool calls whose ids have a form of their own."""

import json
from typing import Any

import pytest

from support.mistral_wire import MISTRAL, thinking
from support.providers import provider_player
from support.quirks import Got
from support.tool_calls import joined_calls
from tokenwire.v1 import chatgpt_pb2 as pb

TOOL = pb.Tool(name="get")
FIRST = '{"city":"Zoë \u2028 [1]","at":1.50}'
RESULT = "12:00 \u2028 Zoë"
PNG = b"\x89PNG\r\n"


def call(index: int, call_id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    """Return a piece of a tool call."""
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": call_id, "function": function}


CALLS = [
    MISTRAL.chunk(role="assistant", content="\n\n"),
    MISTRAL.chunk(tool_calls=[call(0, "D681PevKs", "get", FIRST[:9])]),
    MISTRAL.chunk(tool_calls=[call(0, "null", "", FIRST[9:])]),
    MISTRAL.chunk(tool_calls=[call(1, "8PevKsD61", "get", {"a": 1})]),
    MISTRAL.stop("tool_calls"),
]


async def test_calls_and_their_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls and their results keep every byte; ids have the form that Mistral requires."""
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        message = pb.Message(content="What time is it?", tools=[TOOL])
        got = await upstream.play(MISTRAL.answer(*CALLS), message)
        assert got == Got("", "TOOL_CALLS", usage=(3, 2, 0, 0))
        found = [each for answer in upstream.answers for each in answer.tool_calls]
        assert [(each.id, each.arguments) for each in found] == [
            ("D681PevKs", FIRST),
            ("8PevKsD61", '{"a":1}'),
        ]
        found[1].id = "call_of_another_upstream"
        image = pb.Part(inline=PNG, media_type="image/png")
        history = [
            pb.Turn(role=pb.ROLE_USER, content="What time is it?"),
            pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=found),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id="D681PevKs", content=RESULT),
            pb.Turn(role=pb.ROLE_TOOL, tool_call_id=found[1].id, content="a", parts=[image]),
        ]
        await upstream.play(
            MISTRAL.answer(MISTRAL.end()), pb.Message(history=history, tools=[TOOL])
        )
        _, called, first, second = json.loads(upstream.upstream.body)["messages"]
    other = second["tool_call_id"]
    assert len(other) == 9
    assert called == {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"id": "D681PevKs", "function": {"name": "get", "arguments": FIRST}},
            {"id": other, "function": {"name": "get", "arguments": '{"a":1}'}},
        ],
    }
    assert first == {
        "role": "tool",
        "name": "get",
        "tool_call_id": "D681PevKs",
        "content": RESULT,
    }
    assert second["content"] == [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
    ]


async def test_calls_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces that the caller asks for are, joined, the whole calls."""
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        message = pb.Message(content="hello", tools=[TOOL], stream_tool_calls=True)
        await upstream.play(MISTRAL.answer(*CALLS), message)
        assert [each.arguments for each in joined_calls(upstream.answers)] == [FIRST, '{"a":1}']


SHAPES: list[tuple[str, list[dict[str, Any]], str, str]] = [
    (
        "thinking, then text",
        [
            {"content": [thinking("h", "m")]},
            {"content": [{"type": "text", "text": "Hel"}]},
            {"content": "lo"},
        ],
        "Hello",
        "hm",
    ),
    ("both at once", [{"content": [thinking("hm"), {"type": "text", "text": "Hi"}]}], "Hi", "hm"),
    ("a reference", [{"content": [{"type": "reference", "reference_ids": [1]}, "Hi"]}], "Hi", ""),
    ("null", [{"content": None}, {"content": "Hi", "tool_calls": None}], "Hi", ""),
]


async def test_shapes_of_content(
    monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """Text in every shape is text, and a part of thinking is reasoning."""
    message = pb.Message(content="hello", reasoning=pb.Reasoning(show=True))
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        for name, deltas, text, reasoning in SHAPES:
            with subtests.test(name):
                chunks = [MISTRAL.chunk(**each) for each in deltas]
                got = await upstream.play(MISTRAL.answer(*chunks, MISTRAL.end()), message)
                assert got == Got(text, usage=(3, 2, 0, 0))
                assert "".join(each.reasoning for each in upstream.answers) == reasoning
                assert (upstream.answers[-1].id, upstream.answers[-1].model) == (
                    *("cmpl-1", "mistral-1"),
                )


REASONS = [
    ("length", "LENGTH"),
    ("model_length", "LENGTH"),
    ("error", "UPSTREAM_ERROR"),
    ("some_new_word", "OTHER"),
]


async def test_finish_reasons(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """A finish reason is judged by its meaning."""
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        for reason, expected in REASONS:
            with subtests.test(reason):
                got = await upstream.play(MISTRAL.answer(*MISTRAL.body("hi"), MISTRAL.stop(reason)))
                assert (got.text, got.reason) == ("hi", expected)


async def test_a_call_that_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments that are no JSON object at the end fail the answer."""
    chunk = MISTRAL.chunk(tool_calls=[call(0, "D681PevKs", "get", '{"a":')])
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        message = pb.Message(content="a", tools=[TOOL])
        got = await upstream.play(MISTRAL.answer(chunk, MISTRAL.stop("length")), message)
        assert got.reason == "UPSTREAM_TOOL_CALL_INVALID"


async def test_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cached tokens are a part of the input."""
    last = MISTRAL.stop(prompt_tokens_details={"cached_tokens": 2})
    async with provider_player(MISTRAL, monkeypatch) as upstream:
        got = await upstream.play(MISTRAL.answer(*MISTRAL.body("hi"), last))
        assert got.usage == (3, 2, 2, 0)
