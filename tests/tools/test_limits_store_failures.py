"""Stores of limits that are slow, full, replaced by their replica, or several servers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.gateway import HELLO
from support.helpers import collect, failure_of, next_of
from support.limit_servers import TEN, back, send, sent, servers, shared_of
from support.limits import bearer, limit_of, used_by_team
from support.redis_server import RedisServer, redis_server, sentinel, serve_all_slots
from support.tcp_proxy import TcpProxy, tcp_proxy
from tokenwire.limits.store import StoreError

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]


@pytest.fixture
async def proxy(redis: RedisServer) -> AsyncIterator[TcpProxy]:
    """Run a proxy before the Redis."""
    async with tcp_proxy(redis.port) as running:
        yield running


def through(proxy: TcpProxy) -> str:
    """Return the URL of the Redis through a proxy."""
    return f"redis://127.0.0.1:{proxy.port}/0"


async def test_row_64_a_store_that_never_answers(proxy: TcpProxy, tmp_path: Path) -> None:
    """Before the store has answered anything, a whole answer arrives."""
    async with servers(through(proxy), tmp_path, 1, tokens="100000/d") as [world]:
        proxy.cut()
        await send(world, 'filler 3000 "word "; finish; usage 20 3000; done')
        assert shared_of(world).away
        assert used_by_team(world) == {"tokens/d": 3020}
        proxy.heal()
        await back(world)
        await sent(world)
        assert used_by_team(world) == {"tokens/d": 3020}


async def test_row_64_cut_off_while_streaming(proxy: TcpProxy, tmp_path: Path) -> None:
    """A store that stops to answer in the middle of an answer holds up none of its tokens."""
    async with servers(through(proxy), tmp_path, 1, tokens="100000/d") as [world]:
        upstream = world.upstreams["one"]
        upstream.script('tokens 1; barrier cut; filler 3000 "word "; finish; usage 20 3001; done')
        call = world.stub.Send(HELLO, metadata=bearer())
        await next_of(call)
        proxy.cut()
        upstream.barrier("cut").release()
        text = ""
        while len(text.split()) < 3000:
            text += (await next_of(call)).content
        assert shared_of(world).away
        proxy.heal()
        await back(world)
        await sent(world)
        assert used_by_team(world) == {"tokens/d": 3021}


async def test_row_64_slow(proxy: TcpProxy, tmp_path: Path) -> None:
    """A store that takes 500 ms is away; the server goes on alone and tells it the sum later."""
    async with servers(through(proxy), tmp_path, 1, tokens="100000/d", requests="5/d") as [world]:
        await send(world)
        proxy.slow(0.5)
        for _ in range(4):
            await send(world)
        assert shared_of(world).away
        _, error = await failure_of(world.stub.Send(HELLO, metadata=bearer()))
        assert limit_of(error) == "requests/d"
        proxy.slow(0)
        await back(world)
        await sent(world)
        assert used_by_team(world) == {"tokens/d": 150, "requests/d": 5}


async def test_row_64_full(redis: RedisServer, tmp_path: Path) -> None:
    """A store without memory is away, and counts all once it has memory again."""
    async with servers(redis.url, tmp_path, 1, tokens="100000/d") as [world]:
        await send(world)
        await sent(world)
        async with redis.client() as client:
            await client.config_set("maxmemory", "1")
            for _ in range(3):
                await send(world)
            assert shared_of(world).away
            await client.config_set("maxmemory", "0")
        await back(world)
        await sent(world)
        assert used_by_team(world) == {"tokens/d": 120}


async def test_row_64_failover(redis: RedisServer, tmp_path: Path) -> None:
    """Sentinel's new primary takes the place of one that was killed, with what was counted."""
    folder = tmp_path / "replica"
    folder.mkdir()
    async with (
        redis_server(folder, "--replicaof", "127.0.0.1", str(redis.port)) as replica,
        sentinel(tmp_path, redis, "main") as port,
    ):
        url = f"redis+sentinel://127.0.0.1:{port}/main/0"
        async with servers(url, tmp_path, 2, tokens="100000/d") as (one, two):
            await send(one)
            await sent(one)
            async with redis.client() as client:
                assert await client.wait(1, 10_000) == 1
            await redis.kill()
            await send(one)
            await back(one)
            await sent(one)
            async with replica.client() as client:
                assert (await client.info("replication"))["role"] == "master"
            await send(two)
            await sent(two)
            assert used_by_team(two) == {"tokens/d": 90}


async def test_row_64_a_primary_that_became_a_replica(redis: RedisServer, tmp_path: Path) -> None:
    """A server that only reads is away, until its address leads to one that writes."""
    async with servers(redis.url, tmp_path, 1, tokens="100000/d") as [world]:
        await send(world)
        await sent(world)
        async with redis.client() as client:
            await client.config_set("repl-diskless-sync-delay", "0")
            await client.replicaof("127.0.0.1", "1")
            await send(world)
            assert shared_of(world).away
            await client.replicaof("NO", "ONE")
        await back(world)
        await sent(world)
        assert used_by_team(world) == {"tokens/d": 60}


async def test_a_cluster(tmp_path: Path) -> None:
    """Servers count together in a cluster."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    async with redis_server(folder, "--cluster-enabled", "yes") as server:
        await serve_all_slots(server)
        url = f"redis+cluster://127.0.0.1:{server.port}"
        async with servers(url, tmp_path, 2, tokens="100000/d") as (one, two):
            await asyncio.gather(send(one), send(two))
            await sent(one)
            await send(two)
            await sent(two)
            assert used_by_team(two) == {"tokens/d": 90}
            assert not shared_of(one).away
            assert not shared_of(two).away


async def test_a_crowd_takes_its_leases(redis: RedisServer, tmp_path: Path) -> None:
    """Hundreds of calls that come at once are all let through by the store, which stays up."""
    number = 300
    settings = {"max_streams": number}
    async with servers(redis.url, tmp_path, 1, settings=settings, tokens="1000000/d") as [world]:
        await send(world)
        world.upstreams["one"].script(*[TEN] * number)
        answers: list[StoreError | None] = []
        shared_of(world).session.on_answer = lambda _, failure: answers.append(failure)
        await asyncio.gather(
            *(collect(world.stub.Send(HELLO, metadata=bearer())) for _ in range(number))
        )
        await sent(world)
        assert used_by_team(world) == {"tokens/d": (number + 1) * 30}
        assert not any(answers)
