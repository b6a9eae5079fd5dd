"""Usage records: one for each call, with what it used and what that costs."""

import datetime as dt
import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest

from support.crew import CONNECTIONS, call_all, crew
from support.exposed import read
from support.gateway import HELLO, gateway_world
from support.helpers import collect
from support.process import FREE_PORTS, ServerProcess, run_tokenwire
from support.unary import ending_of, error_of
from support.waiting import within
from tokenwire.cli.keys import hash_of
from tokenwire.observability.usage.record import UsageRecord
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

SECONDS = 30.0
KEY = "tw_team_canary"
BEARER = (("authorization", f"Bearer {KEY}"),)
MODELS: dict[str, Any] = {
    "smart": {"routes": "one/b", "price": {"input": 1, "output": 2}},
    "free": {"routes": "one/a"},
    "vectors": {"routes": "one/c"},
}
CALLERS = {"team": {"keys": [hash_of(KEY)]}}


def records_of(path: Path) -> list[UsageRecord]:
    """Return the records in a file."""
    return [msgspec.json.decode(line, type=UsageRecord) for line in path.read_bytes().splitlines()]


def has_lines(path: Path, lines: int) -> bool:
    """Report whether a file has a number of whole lines."""
    return path.read_bytes().count(b"\n") == lines


async def test_each_call_has_a_record(tmp_path: Path) -> None:
    """Records of all methods have the caller, the model, the tokens and their price."""
    path = tmp_path / "usage.jsonl"
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=CALLERS, usage_file=path
    ) as world:
        started = dt.datetime.now(dt.UTC)
        message = pb.Message(content="hello", labels={"project": "x"})
        metadata = (*BEARER, ("x-request-id", "id-1"))
        usage = (await collect(world.stub.Send(message, metadata=metadata)))[-1].usage
        await world.stub.Ask(
            pb.Message(content="hello", params=pb.Params(model="free")), metadata=BEARER
        )
        await world.stub.Embed(pb.EmbedRequest(texts=["a"], model="vectors"), metadata=BEARER)
        await world.stub.ListModels(pb.ListModelsRequest(), metadata=BEARER)
        wrong = pb.Message(content="hello", params=pb.Params(model="none"))
        assert (await ending_of(world.stub.Ask(wrong, metadata=BEARER)))[1] == "UNKNOWN_MODEL"
        await error_of(world.stub.Ask(HELLO))
        await error_of(world.stub.Ask(HELLO, metadata=(("x-api-key", "canary"),)))
    smart, free, embedded, listed, unknown = records_of(path)
    assert smart == UsageRecord(
        version=1,
        id=smart.id,
        time=smart.time,
        request_id="id-1",
        caller="team",
        method="Send",
        model="smart",
        upstream="one",
        status="OK",
        reason="OK",
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated=False,
        cost_nanodollars=usage.cost_nanodollars,
        seconds=smart.seconds,
        attempts=1,
        labels={"project": "x"},
    )
    assert usage.cost_nanodollars == 1_000 * usage.input_tokens + 2_000 * usage.output_tokens
    assert started < smart.time < dt.datetime.now(dt.UTC)
    assert (free.cost_nanodollars, free.output_tokens > 0) == (None, True)
    assert (embedded.method, embedded.input_tokens > 0) == ("Embed", True)
    assert (listed.method, listed.model, listed.attempts) == ("ListModels", None, 0)
    assert (unknown.status, unknown.reason) == ("INVALID_ARGUMENT", "UNKNOWN_MODEL")
    assert len({each.id for each in records_of(path)}) == 5
    assert "canary" not in path.read_text()


async def test_an_answer_that_breaks_off_is_estimated(tmp_path: Path) -> None:
    """What was received is on the record, also of a caller who left; what was not asked is free."""
    path = tmp_path / "usage.jsonl"
    async with gateway_world(tmp_path, MODELS, {"one": {}}, usage_file=path) as world:
        world.upstreams["one"].script("tokens 3; reset", "tokens 2; stall", "status 400")
        failed = await error_of(collect(world.stub.Send(HELLO)))
        assert failed.code() is grpc.StatusCode.ABORTED
        call = world.stub.Send(HELLO)
        received = ""
        async for answer in call:
            received += answer.content
            if len(received.split()) == 2:
                break
        call.cancel()
        await world.upstreams["one"].wait_until_idle()
        await error_of(world.stub.Ask(HELLO))
    broken, left, refused = records_of(path)
    assert (broken.reason, broken.output_tokens) == ("UPSTREAM_STREAM_BROKEN", 3)
    assert (left.reason, left.output_tokens) == ("CANCELLED", 2)
    for each in (broken, left):
        assert each.estimated
        assert each.input_tokens > 0
        cost = 1_000 * each.input_tokens + 2_000 * each.output_tokens
        assert each.cost_nanodollars == cost
    assert (refused.input_tokens, refused.output_tokens, refused.estimated) == (0, 0, False)
    assert refused.cost_nanodollars == 0


async def test_records_are_counted(tmp_path: Path) -> None:
    """The metrics tell how many records the disk has; without the setting there are none."""
    path = tmp_path / "usage.jsonl"
    async with gateway_world(tmp_path, MODELS, {"one": {}}, usage_file=path) as world:
        exposed = await read(world.app)
        assert exposed.value("tokenwire_usage_records_lost_total", reason="queue") == 0
        await world.stub.Ask(HELLO)
        registry = world.app.metrics.registry
        await within(
            SECONDS,
            "counted",
            lambda: registry.get_sample_value("tokenwire_usage_records_written_total") == 1,
        )
        assert len(records_of(path)) == 1
    async with gateway_world(tmp_path, MODELS, {"one": {}}) as world:
        assert "tokenwire_usage" not in str((await read(world.app)).values)


async def test_a_start_without_its_file_is_refused(tmp_path: Path) -> None:
    """`serve` exits with 2 and one line if the file cannot be written."""
    env = {"TOKENWIRE_USAGE_FILE": str(tmp_path), "OPENAI_API_KEY": "key", **FREE_PORTS}
    ended = await run_tokenwire("serve", env=env)
    assert ended.code == 2
    assert f"TOKENWIRE_USAGE_FILE={tmp_path}: cannot be written: Is a directory" in ended.stderr


async def test_a_killed_process_has_written_what_ended(
    tmp_path: Path, upstream: DemoUpstream
) -> None:
    """After SIGKILL, the records of earlier calls are in the file, and a new process goes on."""
    path = tmp_path / "usage.jsonl"
    env = {"TOKENWIRE_USAGE_FILE": str(path), "OPENAI_BASE_URL": upstream.base_url}
    for expected in (3, 6):
        async with (
            ServerProcess(env=env) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            stub: chatgpt_pb2_grpc.ChatgptAsyncStub = chatgpt_pb2_grpc.ChatgptStub(channel)
            for _ in range(3):
                await stub.Ask(HELLO)
            await within(SECONDS, "written", partial(has_lines, path, expected))
            server.signal(signal.SIGKILL)
            assert await server.wait() == -signal.SIGKILL
    assert len({each.id for each in records_of(path)}) == 6


@pytest.mark.slow
async def test_workers_share_the_file(tmp_path: Path, upstream: DemoUpstream) -> None:
    """All workers append to one file, and a drain writes all of their records."""
    path = tmp_path / "usage.jsonl"
    async with crew(upstream, {"TOKENWIRE_USAGE_FILE": str(path)}) as server:
        await call_all(server)
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0
    ids = [json.loads(line)["id"] for line in path.read_text().splitlines()]
    assert len(set(ids)) == len(ids) == CONNECTIONS
    assert len({each.partition("-")[0] for each in ids}) == 2
