"""Function calls of a response arrive whole, once, with their own dense index."""

import asyncio
import json
from typing import Any

import grpc
import pytest

from support.helpers import next_of
from support.quirks import Got, player, response
from support.raw_upstream import Piece
from support.response_events import (
    END,
    added,
    arguments,
    call,
    completed,
    created,
    done,
    event,
    incomplete,
    message,
    play,
    text,
)
from support.tool_calls import joined_calls
from tokenwire.v1 import chatgpt_pb2 as pb

INTERNAL = grpc.StatusCode.INTERNAL
ABORTED = grpc.StatusCode.ABORTED
INVALID = "UPSTREAM_TOOL_CALL_INVALID"

ASKS = pb.Message(content="hello", tools=[pb.Tool(name="get"), pb.Tool(name="put")])

GET = call("get", '{"x":1}')
PUT = call("put", "{}", "call_2", "fc_2")


def arguments_done(text: Any, index: int = 0, item_id: str = "fc_1") -> bytes:
    """Return the event of arguments that are complete."""
    return event(
        "response.function_call_arguments.done",
        item_id=item_id,
        output_index=index,
        arguments=text,
    )


ONE = [("call_1", "get", '{"x":1}')]
TWO = [*ONE, ("call_2", "put", "{}")]
LONG = '{"x":"' + "y" * 200 + '"}'

CALLS: dict[str, tuple[list[Piece], list[tuple[str, str, str]]]] = {
    "all of OpenAI's events": (
        [
            created(),
            added(call("get", "")),
            arguments('{"x":'),
            arguments("1}"),
            arguments_done('{"x":1}'),
            done(GET),
            completed(GET),
        ],
        ONE,
    ),
    "two in turn": (
        [
            added(call("get", "")),
            arguments('{"x":1}'),
            arguments_done('{"x":1}'),
            done(GET),
            added(call("put", "", "call_2", "fc_2"), 1),
            arguments("{}", 1, "fc_2"),
            done(PUT, 1),
            completed(GET, PUT),
        ],
        TWO,
    ),
    "two interleaved": (
        [
            added(call("get", "")),
            added(call("put", "", "call_2", "fc_2"), 1),
            arguments('{"x"', 0),
            arguments("{", 1, "fc_2"),
            arguments(":1}", 0),
            arguments("}", 1, "fc_2"),
            END,
        ],
        TWO,
    ),
    "two interleaved by index alone": (
        [
            added(call("get", "", item_id="")),
            added(call("put", "", "call_2", ""), 1),
            arguments('{"x"', 0, ""),
            arguments("{", 1, ""),
            arguments(":1}", 0, ""),
            arguments("}", 1, ""),
            END,
        ],
        TWO,
    ),
    "two with the same index": (
        [
            added(call("get", "")),
            arguments('{"x":1}'),
            done(GET),
            added(call("put", "", "call_2", "fc_2")),
            arguments("{}", 0, "fc_2"),
            done(PUT),
            END,
        ],
        TWO,
    ),
    "the item alone": ([done(GET), done(PUT, 1), END], TWO),
    "the response alone": ([completed(GET, PUT)], TWO),
    "the beginning alone": ([added(GET), added(PUT, 1), END], TWO),
    "the beginning is whole, and all else too": (
        [added(GET), arguments('{"x":1}'), arguments_done('{"x":1}'), done(GET), completed(GET)],
        ONE,
    ),
    "the end of the arguments alone": (
        [added(call("get", "")), arguments_done('{"x":1}'), END],
        ONE,
    ),
    "the first delta alone": ([added(call("get", "")), arguments('{"x":'), done(GET), END], ONE),
    "more deltas than are parsed": (
        [
            added(call("get", "")),
            *(arguments(letter) for letter in LONG),
            arguments_done(LONG),
            done(call("get", LONG)),
            completed(call("get", LONG)),
        ],
        [("call_1", "get", LONG)],
    ),
    "no arguments": (
        [added(call("get", "")), done(call("get", "")), END],
        [("call_1", "get", "{}")],
    ),
    "arguments that are null": ([done({**GET, "arguments": None}), END], [("call_1", "get", "{}")]),
    "arguments that are an object": (
        [done({**GET, "arguments": {"x": 1}}), END],
        [("call_1", "get", '{"x": 1}')],
    ),
    "a delta that is an object": (
        [added(call("get", "")), arguments({"x": 1}), END],
        [("call_1", "get", '{"x": 1}')],
    ),
    "no id of the call": (
        [added(call("get", "", "")), arguments('{"x":1}'), done({**GET, "call_id": None}), END],
        [("fc_1", "get", '{"x":1}')],
    ),
    "no ids": (
        [
            added({"type": "function_call", "name": "get"}),
            arguments('{"x":1}', 0, ""),
            done({"type": "function_call", "name": "get", "arguments": '{"x":1}'}),
            END,
        ],
        [("", "get", '{"x":1}')],
    ),
    "ids of another type": (
        [added({**GET, "id": 1, "call_id": 2}), done({**GET, "id": 1, "call_id": 2}), END],
        [("2", "get", '{"x":1}')],
    ),
    "behind text": ([text("I look."), done(message("I look.")), done(GET, 1), END], ONE),
}


async def test_calls_arrive_whole(subtests: pytest.Subtests) -> None:
    """Each call is one Answer, in order, with an id; the answer ends as TOOL_CALLS."""
    async with player(dialect="responses") as upstream:
        for name, (pieces, right) in CALLS.items():
            with subtests.test(name):
                got = await play(upstream, *pieces, message=ASKS)
                assert (got.reason, got.code) == ("TOOL_CALLS", grpc.StatusCode.OK)
                calls = [each for answer in upstream.answers for each in answer.tool_calls]
                assert [(each.name, each.arguments) for each in calls] == [
                    (name, arguments) for _, name, arguments in right
                ]
                assert [each.index for each in calls] == list(range(len(right)))
                assert all(len(answer.tool_calls) <= 1 for answer in upstream.answers)
                for each, (call_id, _, _) in zip(calls, right, strict=True):
                    assert each.id
                    assert not call_id or each.id == call_id


PIECES = pb.Message(content="hello", tools=ASKS.tools, stream_tool_calls=True)


async def test_calls_arrive_in_pieces_if_asked_for(subtests: pytest.Subtests) -> None:
    """The pieces of each call, joined, are the call as it arrives whole."""
    async with player(dialect="responses") as upstream:
        for name, (pieces, right) in CALLS.items():
            with subtests.test(name):
                got = await play(upstream, *pieces, message=PIECES)
                assert (got.reason, got.code) == ("TOOL_CALLS", grpc.StatusCode.OK)
                calls = joined_calls(upstream.answers)
                assert [(each.name, json.loads(each.arguments)) for each in calls] == [
                    (name, json.loads(arguments)) for _, name, arguments in right
                ]
                for each, (call_id, _, _) in zip(calls, right, strict=True):
                    assert not call_id or each.id == call_id


async def test_a_piece_arrives_before_the_next_is_written() -> None:
    """A piece of the arguments reaches the caller while the model still writes the call."""
    async with player(dialect="responses") as upstream:
        hold = asyncio.Event()
        upstream.upstream.pieces = response(
            added(call("get", "")), arguments('{"x":'), hold, arguments("1}"), done(GET), END
        )
        stream = upstream.stub.Send(PIECES)
        first = await next_of(stream)
        assert first.tool_calls == [pb.ToolCall(id="call_1", name="get", arguments='{"x":')]
        hold.set()
        second = await next_of(stream)
        assert second.tool_calls == [pb.ToolCall(arguments="1}")]
        stream.cancel()


BROKEN: dict[str, list[Piece]] = {
    "a list": [done(call("get", "[1]")), END],
    "cut off": [added(call("get", "")), arguments('{"x":'), incomplete("max_output_tokens")],
    "never a name": [arguments("{}"), END],
    "129 calls": [*(done(call("get", "{}", f"call_{n}", f"fc_{n}"), n) for n in range(129)), END],
}


async def test_calls_that_are_not_valid(subtests: pytest.Subtests) -> None:
    """A call without a name or without an object of arguments fails the answer."""
    async with player(dialect="responses") as upstream:
        for name, pieces in BROKEN.items():
            with subtests.test(name):
                got = await play(upstream, *pieces, message=ASKS)
                assert (got.reason, got.code, got.requests) == (INVALID, INTERNAL, 1)


async def test_arguments_without_an_end() -> None:
    """The arguments of an answer are bounded."""
    async with player(dialect="responses") as upstream:
        flood = [arguments("x" * 100_000) for _ in range(12)]
        got = await play(upstream, added(call("get", "")), *flood, END, message=ASKS)
        assert got == Got("", "UPSTREAM_RESPONSE_TOO_LARGE", INTERNAL)


async def test_a_failure_after_a_piece_is_paid_for() -> None:
    """A stream that breaks after the beginning of a call is ABORTED and not retried."""
    async with player(dialect="responses") as upstream:
        got = await play(upstream, added(call("get", "")), message=ASKS)
        assert got == Got("", "UPSTREAM_TRUNCATED", ABORTED)
