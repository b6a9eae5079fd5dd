"""Row 48: the largest allowed requests, and requests over a bound, do not block other calls."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from typing import Final

import grpc
import pytest

from support.bare_server import longest_round
from support.helpers import violated_fields_of
from support.loop_watch import watch_loop
from support.memory import MB, peak_memory, reset_peak_memory
from support.otlp import attributes_of
from support.raw_upstream import raw_upstream
from support.request_bytes import VALID, check_refused, send_bytes
from support.world import World, open_world
from tokenwire.core.json_schemas import MAX_CHECKED_OBJECTS
from tokenwire.v1 import chatgpt_pb2 as pb

LONGEST_ROUND: Final = 0.02
"""The longest time, in seconds, for which one request may block all others."""
ATTEMPTS: Final = 8
"""The best attempt counts, because other programs slow down a shared core and its CPU time."""
LARGEST: Final = 4 * MB
"""The server's default limit of a request without inline data."""
LARGEST_WITH_DATA: Final = 20 * MB
"""The server's default limit of a request."""
MAX_TURNS: Final = 4_096
CROWD: Final = 30
"""The number of large requests that fit into the server at once."""

# Fields of a Message, a Turn or Params: number and wire type.
CONTENT, PARAMS, HISTORY, UNKNOWN = b"\x12", b"\x1a", b"\x22", b"\x30"
ROLE_USER, MODEL, STOP = b"\x08\x01", b"\x0a", b"\x2a"
HELLO: Final = b"\x12\x05hello"


def delimited(tag: bytes, content: bytes) -> bytes:
    """Return a length-delimited field."""
    return tag + b"".join(_varint(len(content))) + content


def _varint(number: int) -> list[bytes]:
    if number < 0x80:
        return [bytes((number,))]
    return [bytes((0x80 | number & 0x7F,)), *_varint(number >> 7)]


def filled(unit: bytes, size: int = LARGEST - 64) -> bytes:
    """Return `unit`, repeated as often as fits into a request."""
    return unit * (size // len(unit))


def text(characters: str) -> str:
    """Return a text of these characters, as long as fits into a request."""
    return filled(characters.encode()).decode()


def conversation(content: str) -> bytes:
    """Return a request with the maximum of turns, each with this content."""
    roles = (pb.ROLE_USER, pb.ROLE_ASSISTANT)
    history = [pb.Turn(role=roles[turn % 2], content=content) for turn in range(MAX_TURNS)]
    return pb.Message(content="hello", history=history).SerializeToString()


def tool_turns(arguments: str, *, count: int, result: str = "sun") -> pb.Message:
    """Return a request with this many turns of tool calls, and the result of the last call."""
    call = pb.ToolCall(id="a", name="get_weather", arguments=arguments)
    called = pb.Turn(role=pb.ROLE_ASSISTANT, tool_calls=[call])
    answered = pb.Turn(role=pb.ROLE_TOOL, tool_call_id="a", content=result)
    return pb.Message(content="hello", history=[*[called] * count, answered])


def schema_of(objects: int) -> str:
    """Return a JSON Schema of this many objects."""
    return f'{{"anyOf":[{",".join(["{}"] * (objects - 1))}]}}'


def with_data(parts: list[pb.Part], content: str = "hello") -> pb.Message:
    """Return a request with these parts."""
    return pb.Message(content=content, parts=parts)


ALLOWED: Final = {
    "as many turns as are allowed": conversation("x" * 1_000),
    "as many turns, each character escaped": conversation("\x01" * 1_000),
    "as many turns, and short": conversation("x"),
    "one long text": pb.Message(content=text("x")),
    "characters of four bytes": pb.Message(content=text("\U0001f600")),
    "one such character among others": pb.Message(content="\U0001f600" + text("x")[4:]),
    "white space": pb.Message(content=text("\u2028")[:-1] + "x"),
    "characters that JSON escapes": pb.Message(content=text("\x01")),
    "quotes": pb.Message(content=text('"')),
    "a long system prompt": pb.Message(content="hello", system=text("\x01")),
    "one long turn of the model's": pb.Message(
        content="hello", history=[pb.Turn(role=pb.ROLE_ASSISTANT, content=text("x"))]
    ),
    "as many tool calls as fit": tool_turns('{"city":"Oslo"}', count=500),
    "a tool call with many arguments": tool_turns(
        json.dumps({f"name-{n}": n for n in range(170_000)}), count=1
    ),
    "results of tools": tool_turns("{}", count=1, result=text("\x01")[: 3 * MB]),
    "tools with many parameters": pb.Message(
        content="hello",
        tools=[
            pb.Tool(name=f"tool-{n}", parameters=json.dumps({f"k{k}": k for k in range(300)}))
            for n in range(128)
        ],
    ),
    "a tool with as many schemas as are checked": pb.Message(
        content="hello",
        tools=[pb.Tool(name="a", parameters=schema_of(MAX_CHECKED_OBJECTS))],
        format=pb.Format(json_schema=pb.JsonSchema(schema=schema_of(MAX_CHECKED_OBJECTS))),
    ),
    "a tool with more": pb.Message(
        content="hello", tools=[pb.Tool(name="a", parameters=schema_of(170_000))]
    ),
    "an image": with_data([pb.Part(inline=bytes(5 * LARGEST - 1_000), media_type="image/png")]),
    "as many images as are allowed": with_data(
        [pb.Part(inline=bytes(range(256)) * 600, media_type="image/png")] * 128
    ),
    "as much text and data": with_data(
        [pb.Part(inline=bytes(4 * LARGEST), media_type="image/png")], text("\x01")
    ),
    "long stops": pb.Message(content="hello", params=pb.Params(stop=[text("\x01")[: MB - 32]] * 4)),
}
OVER_A_BOUND: Final = {
    "history": {
        "one turn too many": VALID.SerializeToString()
        + delimited(HISTORY, ROLE_USER) * (MAX_TURNS + 1),
        "empty turns": HELLO + filled(delimited(HISTORY, b"")),
        "turns of another length of tag": HELLO + filled(b"\xa2\x80\x00\x00"),
        "turns with a role": HELLO + filled(delimited(HISTORY, ROLE_USER)),
    },
    "params.stop": {
        "empty stops": HELLO + delimited(PARAMS, filled(delimited(STOP, b""))),
        "stops one by one": HELLO + filled(delimited(PARAMS, delimited(STOP, b"x"))),
    },
    "params.model": {
        "one long name": pb.Message(
            content="hello", params=pb.Params(model=text("\u00fc"))
        ).SerializeToString(),
    },
    "params.user": {
        "one long user": pb.Message(
            content="hello", params=pb.Params(user=text("\u2028"))
        ).SerializeToString(),
    },
    "message": {
        "contents": filled(delimited(CONTENT, b"")) + HELLO,
        "parameters": HELLO + filled(delimited(PARAMS, b"")),
        "models": HELLO + delimited(PARAMS, filled(delimited(MODEL, b""))),
        "contents of a turn": HELLO + delimited(HISTORY, filled(delimited(CONTENT, b""))),
        "unknown fields": HELLO + filled(UNKNOWN + b"\x00"),
        "unknown groups": HELLO + filled(b"\x33\x34"),
        "unknown fields in a group": HELLO + b"\x33" + filled(UNKNOWN + b"\x00") + b"\x34",
    },
}
TOO_MANY: Final = [
    pytest.param(field, request_, id=name)
    for field, requests in OVER_A_BOUND.items()
    for name, request_ in requests.items()
]


@pytest.fixture
async def raw_world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A world whose upstream accepts any request and takes no time of the event loop."""
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as opened:
        yield opened


@pytest.mark.parametrize("request_", ALLOWED.values(), ids=ALLOWED)
async def test_row_48_the_largest_request_blocks_nobody(
    raw_world: World, request_: bytes | pb.Message
) -> None:
    """A request of the maximum size, of any shape, blocks other calls for less than 20 ms.

    With data, gRPC alone takes most of that time: it copies the request twice.
    """
    data = request_ if isinstance(request_, bytes) else request_.SerializeToString()
    assert len(data) <= LARGEST_WITH_DATA
    allowed = LONGEST_ROUND
    if len(data) > LARGEST:
        allowed += await longest_round(data, ATTEMPTS)
    longest: list[float] = []
    while min(longest, default=math.inf) >= allowed and len(longest) < ATTEMPTS:
        with watch_loop() as watch:
            answers, error = await send_bytes(raw_world, data)
        assert error is None
        assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
        longest.append(watch.longest)
    assert min(longest) < allowed
    await raw_world.check_all([(grpc.StatusCode.OK, "")] * len(longest))


async def test_row_48_capturing_a_large_request_blocks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Capturing a large request in a span blocks other calls for less than 20 ms."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    # Without this limit, the collector would reject the span.
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1000")
    data = pb.Message(content=text("\x01")).SerializeToString()
    async with raw_upstream() as raw, open_world(monkeypatch, base_url=raw.base_url) as world:
        longest: list[float] = []
        while min(longest, default=math.inf) >= LONGEST_ROUND and len(longest) < ATTEMPTS:
            with watch_loop() as watch:
                _, error = await send_bytes(world, data)
            assert error is None
            longest.append(watch.longest)
        assert min(longest) < LONGEST_ROUND
        _, *spans = await world.collector.answered(1 + len(longest))
    assert {len(attributes_of(span)["gen_ai.input.messages"]) for span in spans} == {1_000}


@pytest.mark.timeout(180)
async def test_row_48_many_large_requests_block_nobody(raw_world: World) -> None:
    """Many large requests at once block other calls for no longer than one does."""
    data = pb.Message(content=text("\x01")).SerializeToString()
    longest: list[float] = []
    while min(longest, default=math.inf) >= LONGEST_ROUND and len(longest) < ATTEMPTS:
        with watch_loop() as watch:
            calls = []
            for _ in range(CROWD):
                calls.append(asyncio.create_task(send_bytes(raw_world, data)))
                # Lets gRPC's client copy each request in a separate round of the event loop.
                await asyncio.sleep(0)
            endings = await asyncio.gather(*calls)
        assert [error for _, error in endings] == [None] * CROWD
        longest.append(watch.longest)
    assert min(longest) < LONGEST_ROUND


@pytest.mark.parametrize(("field", "request_"), TOO_MANY)
async def test_row_48_too_many_of_a_field(world: World, field: str, request_: bytes) -> None:
    """A list over its bound is INVALID_PARAMETER, and is found before the request is decoded."""
    assert len(request_) <= LARGEST
    longest: list[float] = []
    while min(longest, default=math.inf) >= LONGEST_ROUND and len(longest) < ATTEMPTS:
        before = reset_peak_memory()
        with watch_loop() as watch:
            ending = await send_bytes(world, request_)
        peak = peak_memory()
        longest.append(watch.longest)
        error = await check_refused(world, ending, "INVALID_PARAMETER")
        assert violated_fields_of(error) == [field]
        # Allow for copies of the request in the client, in the server and in between.
        assert peak - before <= 6 * LARGEST
    assert min(longest) < LONGEST_ROUND


async def test_row_48_a_large_request_arrives_whole(world: World) -> None:
    """A request that is written in pieces reaches the upstream unchanged."""
    turns = [
        pb.Turn(role=pb.ROLE_USER, content="\x01\u00fc" * 200_000),
        pb.Turn(role=pb.ROLE_ASSISTANT, content='"\U0001f600\\' * 100_000),
        *[pb.Turn(role=pb.ROLE_USER, content=f"{count}") for count in range(1_000)],
    ]
    request = pb.Message(content="hello", system="Be brief.", history=turns)
    request.params.stop.append("x" * 200_000)
    answers, error = await send_bytes(world, request.SerializeToString())
    assert error is None
    assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
    sent = world.upstream.requests[-1]
    said = [(each["role"], each["content"]) for each in sent.body["messages"]]
    roles = {pb.ROLE_USER: "user", pb.ROLE_ASSISTANT: "assistant"}
    history = [(roles[turn.role], turn.content) for turn in turns]
    assert said == [("system", "Be brief."), *history, ("user", "hello")]
    assert sent.body["stop"] == list(request.params.stop)
    assert "transfer-encoding" not in sent.headers
    assert sent.headers["content-type"] == "application/json"
    await world.check(grpc.StatusCode.OK)
