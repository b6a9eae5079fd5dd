"""Whole tool calls with an index of our own, whose arguments are a JSON object."""

import asyncio
import json
from typing import Any

import grpc
import pytest

from support.helpers import next_of
from support.quirks import DONE, Got, Player, choice, delta, event, finish, player, response, text
from support.tool_calls import joined_calls
from tokenwire.v1 import chatgpt_pb2 as pb

INVALID = Got("", "UPSTREAM_TOOL_CALL_INVALID", grpc.StatusCode.INTERNAL)


def piece(index: int | None, id_: str | None, name: str | None, arguments: Any = None) -> bytes:
    """Return a delta with a piece of one tool call; None is absent: `C` of the tables."""
    function = {"name": name, "arguments": arguments}
    call = {
        "index": index,
        "id": id_,
        "type": "function",
        "function": {key: value for key, value in function.items() if value is not None},
    }
    return delta(tool_calls=[{key: value for key, value in call.items() if value is not None}])


TOOLS = finish("tool_calls") + DONE

CALLS: dict[str, tuple[list[bytes], list[tuple[str, str, str]]]] = {
    "interleaved by index": (
        [
            piece(0, "a", "get", ""),
            piece(1, "b", "put", ""),
            piece(0, None, None, '{"x":'),
            piece(1, None, None, "{}"),
            piece(0, None, None, "1}"),
            TOOLS,
        ],
        [("a", "get", '{"x":1}'), ("b", "put", "{}")],
    ),
    "no index": (
        [piece(None, "a", "get", '{"x":1}'), piece(None, "b", "get", '{"x":2}'), TOOLS],
        [("a", "get", '{"x":1}'), ("b", "get", '{"x":2}')],
    ),
    "index always 0": (
        [piece(0, "a", "get", '{"x":1}'), piece(0, "b", "get", '{"x":2}'), TOOLS],
        [("a", "get", '{"x":1}'), ("b", "get", '{"x":2}')],
    ),
    "indexes 3 and 7": (
        [piece(3, "a", "get", '{"x":1}'), piece(7, "b", "get", '{"x":2}'), TOOLS],
        [("a", "get", '{"x":1}'), ("b", "get", '{"x":2}')],
    ),
    "no ids": (
        [piece(None, None, "get", '{"x":1}'), piece(None, None, "get", '{"x":2}'), TOOLS],
        [("", "get", '{"x":1}'), ("", "get", '{"x":2}')],
    ),
    "no ids, names first": (
        [
            piece(0, None, "get", ""),
            piece(1, None, "put", ""),
            piece(0, None, None, "{}"),
            TOOLS,
        ],
        [("", "get", "{}"), ("", "put", "{}")],
    ),
    "a growing name": (
        [
            piece(0, "a", "ge"),
            piece(0, "a", "get_"),
            piece(0, "a", "get_time"),
            piece(0, "a", None, "{}"),
            TOOLS,
        ],
        [("a", "get_time", "{}")],
    ),
    "a name in pieces": (
        [piece(0, "a", "get_"), piece(0, None, "time"), piece(0, None, None, "{}"), TOOLS],
        [("a", "get_time", "{}")],
    ),
    "the name in every delta": (
        [piece(0, "a", "get_time", '{"x":'), piece(0, "a", "get_time", "1}"), TOOLS],
        [("a", "get_time", '{"x":1}')],
    ),
    "arguments as an object": (
        [piece(0, "a", "get", {"x": 1}), TOOLS],
        [("a", "get", '{"x":1}')],
    ),
    "a call and the finish reason in one chunk": (
        [
            choice(
                delta={"tool_calls": [{"id": "a", "function": {"name": "get", "arguments": "{}"}}]},
                finish_reason="tool_calls",
            ),
            DONE,
        ],
        [("a", "get", "{}")],
    ),
    "arguments once more": (
        [
            piece(0, "a", "get", '{"x":'),
            piece(0, None, None, "1}"),
            piece(0, None, None, '{"x":1}'),
            TOOLS,
        ],
        [("a", "get", '{"x":1}')],
    ),
    "the function later": (
        [
            delta(tool_calls=[{"index": 0, "id": "a", "type": "function"}]),
            piece(0, None, "get", "{}"),
            TOOLS,
        ],
        [("a", "get", "{}")],
    ),
    "empty arguments": ([piece(0, "a", "get", ""), TOOLS], [("a", "get", "{}")]),
    "no arguments": ([piece(0, "a", "get"), TOOLS], [("a", "get", "{}")]),
    "null arguments": (
        [
            delta(tool_calls=[{"id": "a", "function": {"name": "get", "arguments": None}}]),
            TOOLS,
        ],
        [("a", "get", "{}")],
    ),
    "another word of success": (
        [piece(0, "a", "get", "{}"), finish("stop"), DONE],
        [("a", "get", "{}")],
    ),
    "the earlier form": (
        [
            delta(function_call={"name": "get", "arguments": ""}),
            delta(function_call={"arguments": "{}"}),
            finish("function_call"),
            DONE,
        ],
        [("", "get", "{}")],
    ),
    "white space before": (
        [text(""), text("\n"), text("\n"), piece(0, "a", "get", "{}"), TOOLS],
        [("a", "get", "{}")],
    ),
    "a whole message": (
        [
            event(
                {
                    "choices": [
                        {
                            "message": {
                                "content": None,
                                "tool_calls": [
                                    {"id": "a", "function": {"name": "get", "arguments": "{}"}}
                                ],
                            },
                            "finish_reason": "tool_calls",
                        }
                    ]
                }
            ),
            DONE,
        ],
        [("a", "get", "{}")],
    ),
}

ASKS = pb.Message(content="hello", tools=[pb.Tool(name="get"), pb.Tool(name="put")])


async def play(upstream: Player, *body: bytes) -> Got:
    return await upstream.play(response(*body), ASKS)


async def test_calls_arrive_whole(subtests: pytest.Subtests) -> None:
    """Each call is one Answer without text, in order, with an id; the answer ends as TOOL_CALLS."""
    async with player() as upstream:
        for name, (body, right) in CALLS.items():
            with subtests.test(name):
                assert await play(upstream, *body) == Got("", "TOOL_CALLS")
                *answers, last = upstream.answers
                assert not last.tool_calls
                assert all(len(answer.tool_calls) == 1 for answer in answers)
                calls = [answer.tool_calls[0] for answer in answers]
                assert [(call.name, call.arguments) for call in calls] == [
                    (name, arguments) for _, name, arguments in right
                ]
                assert [call.index for call in calls] == list(range(len(right)))
                ids = [call.id for call in calls]
                assert all(ids)
                assert len(set(ids)) == len(ids)
                assert all(got == id_ for got, (id_, _, _) in zip(ids, right, strict=True) if id_)


PIECES = pb.Message(content="hello", tools=ASKS.tools, stream_tool_calls=True)


async def test_calls_arrive_in_pieces_if_asked_for(subtests: pytest.Subtests) -> None:
    """The pieces of each call, joined, are the call as it arrives whole; ids are unique."""
    async with player() as upstream:
        for name, (body, right) in CALLS.items():
            with subtests.test(name):
                assert await upstream.play(response(*body), PIECES) == Got("", "TOOL_CALLS")
                calls = joined_calls(upstream.answers)
                assert [(call.name, json.loads(call.arguments)) for call in calls] == [
                    (name, json.loads(arguments)) for _, name, arguments in right
                ]
                ids = [call.id for call in calls]
                assert len(set(ids)) == len(right)
                assert all(got == id_ for got, (id_, _, _) in zip(ids, right, strict=True) if id_)


async def test_a_piece_arrives_before_the_next_is_written() -> None:
    """A piece of the arguments reaches the caller while the model still writes the call."""
    async with player() as upstream:
        hold = asyncio.Event()
        upstream.upstream.pieces = response(
            text("I look."), piece(0, "a", "get", '{"x":'), hold, piece(0, None, None, "1}"), TOOLS
        )
        stream = upstream.stub.Send(PIECES)
        answers: list[pb.Answer] = []
        while not answers or not answers[-1].tool_calls:
            answers.append(await next_of(stream))
        assert [(answer.content, len(answer.tool_calls)) for answer in answers] == [
            ("I look.", 0),
            ("", 1),
        ]
        assert answers[-1].tool_calls == [pb.ToolCall(id="a", name="get", arguments='{"x":')]
        hold.set()
        answers += [await next_of(stream), await next_of(stream)]
        assert answers[2].tool_calls == [pb.ToolCall(arguments="1}")]
        assert answers[3].finish_reason == pb.FINISH_REASON_TOOL_CALLS


async def test_pieces_that_arrive_together_are_one_answer() -> None:
    """Pieces of one read are merged, and stay in order with the text around them."""
    async with player() as upstream:
        body = b"".join(
            [
                text("a"),
                piece(0, "a", "get", "{"),
                piece(1, "b", "put", "{"),
                piece(0, None, None, "}"),
                text("b"),
                piece(1, None, None, "}"),
                TOOLS,
            ]
        )
        assert await upstream.play(response(body), PIECES) == Got("ab", "TOOL_CALLS")
        got = [
            (answer.content, [(call.index, call.arguments) for call in answer.tool_calls])
            for answer in upstream.answers
        ]
        assert got == [
            ("a", []),
            ("", [(0, "{}"), (1, "{")]),
            ("b", []),
            ("", [(1, "}")]),
            ("", []),
        ]


async def test_pieces_of_a_call_that_is_not_valid(subtests: pytest.Subtests) -> None:
    """The call still fails at its end, and its last Answer says so."""
    async with player() as upstream:
        for name, body in BROKEN.items():
            with subtests.test(name):
                got = await upstream.play(response(*body), PIECES)
                assert got == INVALID
                sent = any(answer.tool_calls for answer in upstream.answers)
                assert not sent or upstream.answers[-1].error == INVALID.reason


async def test_ask_returns_whole_calls() -> None:
    """`Ask` ignores the wish for pieces: its one Answer has the whole calls."""
    async with player() as upstream:
        body, right = CALLS["interleaved by index"]
        upstream.upstream.pieces = response(*body)
        answer = await upstream.stub.Ask(PIECES)
        assert [(call.id, call.name, call.arguments) for call in answer.tool_calls] == right


BROKEN = {
    "other arguments once more": [
        piece(0, "a", "get", '{"x":1}'),
        piece(0, None, None, '{"x":2}'),
        TOOLS,
    ],
    "never a function": [delta(tool_calls=[{"index": 0, "id": "a", "type": "function"}]), TOOLS],
    "a list": [piece(0, "a", "get", "[1]"), TOOLS],
    "a string": [piece(0, "a", "get", '"x"'), TOOLS],
    "cut off": [piece(0, "a", "get", '{"x":'), finish("length"), DONE],
    "another shape behind the finish reason": [
        piece(0, "a", "get", "{}"),
        finish("tool_calls"),
        piece(0, "b", "put", "[1]"),
        DONE,
    ],
    "129 calls": [*(piece(None, f"id-{n}", "get", "{}") for n in range(129)), TOOLS],
}


async def test_calls_that_are_not_valid(subtests: pytest.Subtests) -> None:
    """A call without a name or an object of arguments fails the answer, without a retry."""
    async with player() as upstream:
        for name, body in BROKEN.items():
            with subtests.test(name):
                assert await play(upstream, *body) == INVALID


async def test_arguments_without_an_end() -> None:
    """The arguments of an answer are bounded."""
    async with player() as upstream:
        flood = [piece(0, "a", "get", "x" * 100_000) for _ in range(12)]
        got = await play(upstream, *flood, TOOLS)
        assert got == Got("", "UPSTREAM_RESPONSE_TOO_LARGE", grpc.StatusCode.INTERNAL)


async def test_text_and_calls() -> None:
    """Text before calls is passed on, with the white space at its start."""
    async with player() as upstream:
        got = await play(upstream, text("\n"), text("I look."), piece(0, "a", "get", "{}"), TOOLS)
        assert got == Got("\nI look.", "TOOL_CALLS")
        assert [len(answer.tool_calls) for answer in upstream.answers][-2:] == [1, 0]


async def test_white_space_alone_is_an_answer() -> None:
    """Without calls, white space is passed on."""
    async with player() as upstream:
        assert await play(upstream, text("\n"), finish("stop"), DONE) == Got("\n")


async def test_a_failure_after_a_piece_is_paid_for() -> None:
    """A stream that breaks after a piece of a call is ABORTED and not retried."""
    async with player() as upstream:
        got = await play(upstream, piece(0, "a", "get", "{"))
        assert got == Got("", "UPSTREAM_TRUNCATED", grpc.StatusCode.ABORTED)
