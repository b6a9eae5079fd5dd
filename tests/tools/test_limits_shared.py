"""The limits of callers that several servers count together in a real Redis."""

import asyncio
import logging
import random
from pathlib import Path

import grpc
import pytest

from support.gateway import HELLO
from support.helpers import collect, failure_of, reason_of
from support.limit_servers import back, send, sent, servers
from support.limits import bearer, limit_of, used_by_team
from support.redis_server import RedisServer

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]


async def test_servers_count_together(redis: RedisServer, tmp_path: Path) -> None:
    """What one server has answered counts at the other one."""
    async with servers(redis.url, tmp_path, 2, requests="3/d", tokens="1000/d") as (one, two):
        await send(one)
        await send(two)
        await sent(one)
        await send(one)
        await sent(one)
        await sent(two)
        _, error = await failure_of(two.stub.Send(HELLO, metadata=bearer()))
        assert reason_of(error) == "CALLER_RATE_LIMITED"
        assert limit_of(error) == "requests/d"
        assert used_by_team(two) == {"requests/d": 3, "tokens/d": 90}


async def test_an_answer_is_cut_by_what_other_servers_use(
    redis: RedisServer, tmp_path: Path
) -> None:
    """Two answers at two servers share one limit; together they get no more than it has."""
    async with servers(redis.url, tmp_path, 2, tokens="3000/d") as worlds:
        for world in worlds:
            world.upstreams["one"].script('filler 5000 "word "; finish; usage 20 5000; done')
        endings = await asyncio.gather(
            *(failure_of(world.stub.Send(HELLO, metadata=bearer())) for world in worlds)
        )
        for world in worlds:
            await sent(world)
        delivered = 0
        for answers, error in endings:
            assert reason_of(error) == "CALLER_BUDGET_EXHAUSTED"
            delivered += sum(len(answer.content.split()) for answer in answers)
        assert 3000 - 3 * 256 <= delivered <= 3000 + 2 * 256


async def test_streams_are_counted_together(redis: RedisServer, tmp_path: Path) -> None:
    """A stream at one server takes the place of one at the other, until it ends."""
    async with servers(redis.url, tmp_path, 2, streams=1) as (one, two):
        one.upstreams["one"].script("tokens 1; barrier held; answer")
        running = asyncio.create_task(collect(one.stub.Send(HELLO, metadata=bearer())))
        await one.upstreams["one"].barrier("held").reached()
        _, error = await failure_of(two.stub.Send(HELLO, metadata=bearer()))
        assert reason_of(error) == "CALLER_TOO_MANY_STREAMS"
        one.upstreams["one"].barrier("held").release()
        await running
        await sent(one)
        await send(two)


@pytest.mark.parametrize("how", ["killed", "silent"])
async def test_row_64_refused(redis: RedisServer, tmp_path: Path, how: str) -> None:
    """With `refuse`, calls are refused at once while the store is away, and answered after it."""
    async with servers(redis.url, tmp_path, 1, "refuse", tokens="100000/d") as [world]:
        await send(world)
        if how == "killed":
            await redis.kill()
        else:
            redis.freeze()
        before = world.seen()
        for _ in range(3):
            _, error = await failure_of(world.stub.Send(HELLO, metadata=bearer()))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert reason_of(error) == "LIMITS_UNAVAILABLE"
        assert world.seen() == before
        if how == "killed":
            await redis.start()
        else:
            redis.thaw()
        await back(world)
        await send(world)
        await sent(world)
        assert used_by_team(world) == {"tokens/d": 60}


async def test_row_64_local(
    redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With `local`, a server goes on alone within the limit, and tells the store afterwards."""
    async with servers(redis.url, tmp_path, 2, requests="4/d") as (one, two):
        await send(one)
        await sent(one)
        await redis.kill()
        for _ in range(3):
            await send(one)
        _, error = await failure_of(one.stub.Send(HELLO, metadata=bearer()))
        assert limit_of(error) == "requests/d"
        [record] = [each for each in caplog.records if "store of limits is away" in each.message]
        assert record.levelno == logging.ERROR
        await redis.start()
        await back(one)
        await sent(one)
        _, error = await failure_of(two.stub.Send(HELLO, metadata=bearer()))
        assert limit_of(error) == "requests/d"


async def test_a_restarted_store_keeps_what_was_used(redis: RedisServer, tmp_path: Path) -> None:
    """A stream that runs over a restart of the store is neither cut nor counted twice."""
    async with servers(redis.url, tmp_path, 1, tokens="100000/d") as [world]:
        upstream = world.upstreams["one"]
        upstream.script('filler 300 "word "; barrier half; filler 300 "word "; finish; done')
        call = world.stub.Send(HELLO, metadata=bearer())
        await upstream.barrier("half").reached()
        await sent(world)
        await redis.kill()
        await redis.start()
        upstream.barrier("half").release()
        answers = await collect(call)
        assert sum(len(answer.content.split()) for answer in answers) == 600
        await sent(world)
        estimate = (await world.stub.CountTokens(HELLO, metadata=bearer())).input_tokens
        assert used_by_team(world) == {"tokens/d": 600 + estimate}


async def test_the_ledger_is_what_the_upstreams_sent(redis: RedisServer, tmp_path: Path) -> None:
    """The sum of many answers at several servers is that of the upstreams' usage, to the token."""
    chosen = random.Random(1)  # noqa: S311 - no secrets
    async with servers(redis.url, tmp_path, 3, tokens="1000000/month", requests="500/d") as worlds:
        total = 0
        calls = []
        for world in worlds:
            plans = []
            for _ in range(20):
                inputs, outputs = chosen.randint(1, 900), chosen.randint(1, 900)
                total += inputs + outputs
                plans.append(f'filler {outputs} "word "; finish; usage {inputs} {outputs}; done')
            world.upstreams["one"].script(*plans)
            calls += [collect(world.stub.Send(HELLO, metadata=bearer())) for _ in plans]
        await asyncio.gather(*calls)
        for world in worlds:
            await sent(world)
        await send(worlds[0])
        await sent(worlds[0])
        assert used_by_team(worlds[0]) == {"tokens/month": total + 30, "requests/d": 61}


async def test_calls_after_each_other_are_one_stream(redis: RedisServer, tmp_path: Path) -> None:
    """A caller with one stream may call again as soon as its call has ended, at any server."""
    async with servers(redis.url, tmp_path, 2, streams=1) as worlds:
        for _ in range(20):
            for world in (*worlds, worlds[1]):
                await send(world)
