"""Invalid metadata: no library logs its values, and a flood of it is logged only a few times."""

import json

import grpc

from support import http2
from support.waiting import within
from support.world import CANARY, World, assert_clean
from tokenwire.observability.logs.handler import LINES_DROPPED
from tokenwire.observability.logs.libraries import BURST
from tokenwire.v1 import chatgpt_pb2 as pb

CALLS = 50
LATIN_1 = f"{CANARY}-\xe9".encode("latin-1")
MESSAGE = pb.Message(content="hello").SerializeToString()


def call_with(stream: int, name: str, value: bytes) -> bytes:
    """Return the headers that begin a call, with an additional field."""
    frame = http2.call(stream)
    block = frame[9:] + b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value
    return len(block).to_bytes(3, "big") + frame[3:9] + block


async def test_row_51_metadata_that_grpc_cannot_decode(world: World) -> None:
    """Metadata that is not UTF-8 is not logged, and many such calls cause only a few lines."""
    rate = LINES_DROPPED.labels("rate")
    before = rate._value.get()
    world.upstream.script(*["answer"] * CALLS)
    async with http2.connect(world.app.address) as caller:
        for number in range(CALLS):
            stream = 2 * number + 1
            await caller.send(
                call_with(stream, "authorization", LATIN_1), http2.message(stream, MESSAGE)
            )
        await within(10, "all calls ended", lambda: len(ended(world)) == CALLS)
    lines = [line for line in entries(world) if line["logger"] == "grpc._cython.cygrpc"]
    assert BURST <= len(lines) < 2 * BURST
    assert {line["event"] for line in lines} == {"metadata is not valid UTF-8"}
    assert rate._value.get() - before >= CALLS - len(lines)
    assert_clean(world.log.getvalue())


async def test_row_51_baggage_that_opentelemetry_cannot_read(world: World) -> None:
    """Invalid trace context and baggage are not logged."""
    broken = (
        ("baggage", f"{CANARY} without a key"),
        ("baggage", f"{CANARY}=" + "x" * 5_000),
        ("tracestate", f"{CANARY} state"),
        ("traceparent", f"{CANARY}-parent"),
    )
    for name, value in broken:
        world.upstream.script("answer")
        _, error = await world.ended(world.send(metadata=((name, value),)))
        assert error is None
        await world.check(grpc.StatusCode.OK)
    assert any(line["logger"].startswith("opentelemetry.") for line in entries(world))


def entries(world: World) -> list[dict[str, str]]:
    return [json.loads(line) for line in world.log.getvalue().splitlines()]


def ended(world: World) -> list[dict[str, str]]:
    """Return the log entries of all calls except the warm-up."""
    return [line for line in entries(world) if line["event"] == "call ended"][1:]
