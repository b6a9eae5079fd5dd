"""The metrics of callers that leave while they wait for a token."""

import asyncio

import grpc
import pytest

from support.app import MODEL, StartApp, Stub
from support.exposed import read
from support.helpers import collect, failure_of
from support.leaving import Visit
from support.waiting import within
from support.world import open_world
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import DemoUpstream

HELLO = pb.Message(content="hello")
LEFT = "tokenwire_abandoned_wait_seconds"
OBJECTIVE_SECONDS = 2.5


async def waits(app: App, model: str = MODEL) -> dict[tuple[str, str], tuple[float, float]]:
    """Return how many callers left and their total wait in seconds, by outcome and phase."""
    exposed = await read(app)
    found = {}
    for outcome in ("cancelled", "deadline"):
        for phase in ("before_first_token", "streaming"):
            labels = {"outcome": outcome, "phase": phase, "gen_ai_request_model": model}
            count = exposed.value(f"{LEFT}_count", **labels)
            found[outcome, phase] = count, exposed.value(f"{LEFT}_sum", **labels)
    assert exposed.total(f"{LEFT}_count") == sum(count for count, _ in found.values())
    return {key: value for key, value in found.items() if value[0]}


async def test_each_call_has_a_first_token_or_a_wait_for_it(
    stub: Stub, app: App, upstream: DemoUpstream
) -> None:
    """Each of 20 calls that expire at a hanging upstream counts as a wait for a first token."""
    upstream.script(*["stall"] * 20)
    await asyncio.gather(*(failure_of(stub.Send(HELLO, timeout=0.3)) for _ in range(20)))
    await upstream.wait_until_disconnected()
    [(key, (count, seconds))] = (await waits(app)).items()
    assert key == ("deadline", "before_first_token")
    assert count == 20
    assert 20 * 0.2 < seconds < 20 * OBJECTIVE_SECONDS
    exposed = await read(app)
    assert exposed.total("gen_ai_server_time_to_first_token_seconds_count") == 0


async def test_a_caller_who_cancels_has_waited_too(
    stub: Stub, app: App, upstream: DemoUpstream
) -> None:
    """A caller that cancels before the first token is counted separately from expired deadlines."""
    upstream.script("barrier asked; answer")
    call = stub.Send(HELLO)
    await upstream.barrier("asked").reached()
    call.cancel()
    await upstream.wait_until_disconnected()
    [(key, (count, _))] = (await waits(app)).items()
    assert key == ("cancelled", "before_first_token")
    assert count == 1


async def test_a_wait_while_streaming_begins_with_the_last_token(
    stub: Stub, app: App, upstream: DemoUpstream
) -> None:
    """The wait is measured from the last token, not from the start of the answer."""
    upstream.script("tokens 1; wait 0.5; tokens 1; stall", "tokens 1; stall")
    for _ in range(2):
        _, error = await failure_of(stub.Send(HELLO, timeout=1))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await upstream.wait_until_disconnected()
    [(key, (count, seconds))] = (await waits(app)).items()
    assert key == ("deadline", "streaming")
    assert count == 2
    # About 0.5 and 1 of the 2 seconds.
    assert seconds < 1.8


async def test_whole_answers_and_failures_are_no_part_of_it(
    stub: Stub, app: App, upstream: DemoUpstream
) -> None:
    """Only callers that leave are counted; a call that ends by itself is not."""
    upstream.script("answer", "status 400", "tokens 1; reset")
    await collect(stub.Send(HELLO))
    await failure_of(stub.Send(HELLO))
    await failure_of(stub.Send(HELLO))
    await failure_of(stub.Send(pb.Message(content=" ")))
    assert await waits(app) == {}


async def test_a_caller_who_found_no_place_is_no_part_of_it(
    start_app: StartApp, upstream: DemoUpstream
) -> None:
    """A caller that leaves while its call is queued is not counted."""
    app = await start_app(max_streams=1, max_queue=1, queue_timeout_seconds=30)
    async with grpc.aio.insecure_channel(app.address) as channel:
        send = channel.unary_stream(
            "/openai.Chatgpt/Send",
            request_serializer=pb.Message.SerializeToString,
            response_deserializer=pb.Answer.FromString,
        )
        upstream.script("barrier held; answer")
        running = asyncio.create_task(collect(send(HELLO)))
        await upstream.barrier("held").reached()
        _, error = await failure_of(send(HELLO, timeout=0.3))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        # The server may see the deadline later than the caller, but must before a slot is free.
        while not (await read(app)).total("tokenwire_errors_total", reason="DEADLINE_EXCEEDED"):
            pass
        upstream.barrier("held").release()
        await running
    assert await waits(app) == {}


async def test_a_caller_who_does_not_read_is_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tokens that wait for the caller to read them are not late, however old the last one is."""
    async with open_world(monkeypatch) as world:
        visit = Visit(world, "blocked-in-write")
        call = world.send()
        await visit.reached(call)
        call.cancel()
        await world.upstream.wait_closed(visit.connection)
        await within(10, "counted", lambda: '"CANCELLED"' in world.log.getvalue())
        assert await waits(world.app) == {}
