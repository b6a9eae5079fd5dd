"""docs/callers.md, "Redis in ten minutes": its commands work, and its words on Redis are true."""

import asyncio
import re
import shlex
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from support.certificates import Pair
from support.command_line import TOKENWIRE, run
from support.fenced import fenced
from support.gateway import HELLO, gateway_world
from support.helpers import collect, failure_of
from support.limit_servers import sent
from support.limits import bearer, callers, limit_of
from support.ports import free_port
from support.process import run_tokenwire
from support.programs import ROOT
from support.redis_server import RedisServer, redis_server, serve_all_slots
from tokenwire.config.gateway import load_gateway
from tokenwire.core.limits import CallerLimits, Unit, Window
from tokenwire.limits.entries import EntryKind, Held, LeaseEntry, Totals
from tokenwire.limits.redis_store import RedisStore
from tokenwire.limits.store import Batch, StoreError

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]

DOC = (ROOT / "docs/callers.md").read_text("utf-8")
STORE = DOC[DOC.index("## Redis in ten minutes\n") : DOC.index("### When the store is away\n")]
START, USER, WRITE, CHECK, SERVE = [
    line for block in fenced(STORE, "sh") for line in block.splitlines()
]
[FILE] = fenced(STORE, "yaml")
MODELS: Final[dict[str, Any]] = {"smart": {"routes": "one/b"}}
LIMITS = CallerLimits(100, (Window(Unit.TOKENS, 1_000, "m"),))


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """Run a Redis with the options of the page."""
    program, *options = shlex.split(START)
    assert program == "redis-server"
    del options[options.index("--port") : options.index("--port") + 2]
    folder = tmp_path / "redis"
    folder.mkdir()
    async with redis_server(folder, *options) as server:
        yield server


async def tell(client: Any, *words: str) -> Any:
    """Send a command to a Redis; the types of its library lack the method."""
    return await client.execute_command(*words)


async def take(url: str) -> None:
    """Count a call in a store.

    Raises:
        StoreError: The store does not count it.
    """
    entry = LeaseEntry(EntryKind.TAKE, uuid.uuid4().hex, 1, time.time(), None, Totals(3), Held(4))
    async with aclosing(RedisStore(url)) as store:
        [reply] = await store.apply([Batch("team", LIMITS, [entry])])
        assert reply.refusals == [None]


async def shell(command: str, folder: Path) -> None:
    """Run a command of the page in a folder."""
    done = await run("sh", "-c", f"cd {shlex.quote(str(folder))} && {command}")
    assert done.code == 0, done.stderr


async def test_the_commands_of_the_page(redis: RedisServer, tmp_path: Path) -> None:
    """After them, two servers count together, as a user who has just the rights for it."""
    port = str(redis.port)
    await shell(USER.replace("6379", port), tmp_path)
    await shell(WRITE.replace("6379", port), tmp_path)
    section = yaml.safe_load(FILE)["limits"]
    known = callers(requests="3/d")
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        (folder / "redis-url").write_text((tmp_path / "redis-url").read_text())
    one, two = (
        gateway_world(folder, MODELS, {"one": {}}, callers=known, limits=section)
        for folder in folders
    )
    async with one as first, two as second:
        for world in (first, second, first):
            await collect(world.stub.Send(HELLO, metadata=bearer()))
            await sent(world)
        _, error = await failure_of(second.stub.Send(HELLO, metadata=bearer()))
        assert limit_of(error) == "requests/d"
        shown = await run_tokenwire("limits", "--metrics-address", first.app.metrics_address)
        assert "team    requests/d     3     0       3   100%" in shown.stdout
        assert CHECK.split()[:2] == ["tokenwire", "check"]
        checked = await run(*TOKENWIRE, "check", str(first.path))
        assert checked.code == 0, checked.stderr
        assert SERVE.split()[-2:] == ["--config", CHECK.split()[-1]]
    async with redis.client() as client:
        assert await tell(client, "ACL", "LOG") == []
        keys = [key.decode() for key in await tell(client, "KEYS", "*")]
        assert keys
        assert all(key.startswith("tokenwire:") for key in keys)
        [policy] = (await client.config_get("maxmemory-policy")).values()
        assert policy == "noeviction"


async def test_what_is_shown_while_it_is_away(redis: RedisServer, tmp_path: Path) -> None:
    """The command shows what the store has said last, and that it is away."""
    known = callers(requests="3/d")
    section = {"store": redis.url}
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=known, limits=section) as world:
        await collect(world.stub.Send(HELLO, metadata=bearer()))
        await sent(world)
        arguments = ("limits", "--metrics-address", world.app.metrics_address)
        before = await run_tokenwire(*arguments)
        assert (before.code, before.stderr) == (0, "")
        await redis.kill()
        await collect(world.stub.Send(HELLO, metadata=bearer()))
        shown = before
        # All requests of a second share one status.
        while not shown.stderr:
            shown = await run_tokenwire(*arguments)
        assert shown.stderr == "The store of limits is away; it has said this last.\n"
        assert shown.stdout == before.stdout


async def test_every_right_is_needed(redis: RedisServer, subtests: pytest.Subtests) -> None:
    """Without any one of the rights, the store counts as away; another database needs `select`."""
    words = shlex.split(USER)
    rights = [word for word in words if word.startswith("+")]
    url = redis.url.replace("//", "//tokenwire:PASSWORD@")
    async with redis.client() as client:
        await tell(client, *words[words.index("ACL") :])
        await take(url)
        # These are for what expires, and for a store that was away.
        for right in [each for each in rights if each not in {"+hdel", "+zrem", "+set"}]:
            with subtests.test(right):
                await client.flushall()
                await client.script_flush()
                await tell(client, "ACL", "SETUSER", "tokenwire", f"-{right[1:]}")
                with pytest.raises(StoreError):
                    await take(url)
                await tell(client, "ACL", "SETUSER", "tokenwire", right)
        other = url.removesuffix("/0") + "/1"
        with pytest.raises(StoreError):
            await take(other)
        await tell(client, "ACL", "SETUSER", "tokenwire", "+select")
        await take(other)


async def start_with(redis: RedisServer, *options: str) -> None:
    """Start a Redis again with other options."""
    await redis.kill()
    await redis.start(*options)


def write_pair(folder: Path, pair: Pair) -> None:
    """Write a certificate, its key and its authority into files."""
    for name, pem in (("ca", pair.authority), ("cert", pair.certificate), ("key", pair.key)):
        (folder / f"{name}.pem").write_bytes(pem)


def tls_options(folder: Path, port: int, clients: str = "no") -> Sequence[str]:
    """Return the options of a Redis with TLS.

    Args:
        folder: The folder of `write_pair`.
        port: The port for TLS.
        clients: Whether clients must have certificates.
    """
    return (
        *("--tls-port", str(port), "--tls-ca-cert-file", str(folder / "ca.pem")),
        *("--tls-cert-file", str(folder / "cert.pem"), "--tls-key-file", str(folder / "key.pem")),
        *("--tls-auth-clients", clients),
    )


async def test_tls(redis: RedisServer, tmp_path: Path) -> None:
    """`rediss://` verifies the certificate by the authority of the URL, and presents its own."""
    port = free_port()
    write_pair(tmp_path, Pair())
    await start_with(redis, *tls_options(tmp_path, port))
    url = f"rediss://127.0.0.1:{port}/0"
    with pytest.raises(StoreError):
        await take(url)
    url += f"?ssl_ca_certs={tmp_path}/ca.pem"
    await take(url)
    path = tmp_path / "gateway.yaml"
    upstreams = "upstreams: {one: {base_url: http://127.0.0.1:1/v1}}"
    models = "models: {smart: {routes: one/b}}"
    path.write_text(f"{upstreams}\n{models}\nlimits: {{store: '{url}'}}\n")
    assert load_gateway(path).store_url == url
    await start_with(redis, *tls_options(tmp_path, port, clients="yes"))
    with pytest.raises(StoreError):
        await take(url)
    await take(f"{url}&ssl_certfile={tmp_path}/cert.pem&ssl_keyfile={tmp_path}/key.pem")
    write_pair(tmp_path, Pair(name="redis"))
    await start_with(redis, *tls_options(tmp_path, port))
    with pytest.raises(StoreError):
        await take(url)


async def test_a_full_memory_is_away(redis: RedisServer) -> None:
    """A Redis that has no memory left counts as away, and keeps what it had."""
    await take(redis.url)
    async with redis.client() as client:
        before = await client.dbsize()
        await client.config_set("maxmemory", "1")
        with pytest.raises(StoreError):
            await take(redis.url)
        assert await client.dbsize() == before


async def test_the_rights_for_a_cluster(redis: RedisServer) -> None:
    """A cluster needs the rights of the page too; one of its nodes alone counts as away."""
    await start_with(redis, "--cluster-enabled", "yes", "--appendonly", "no")
    with pytest.raises(StoreError, match="rejected"):
        await take(redis.url)
    [rights] = re.findall(r"two more rights, `([^`]+)`", STORE)
    words = shlex.split(USER)
    url = f"redis+cluster://tokenwire:PASSWORD@127.0.0.1:{redis.port}"
    async with redis.client() as client:
        await serve_all_slots(redis)
        await tell(client, *words[words.index("ACL") :])
        with pytest.raises(StoreError):
            await take(url)
        await tell(client, "ACL", "SETUSER", "tokenwire", *shlex.split(rights))
        await take(url)


async def test_tls_of_a_sentinel(redis: RedisServer, tmp_path: Path) -> None:
    """`rediss+sentinel://` verifies Sentinel and Redis by the authority of the URL."""
    port, own_port = free_port(), free_port()
    write_pair(tmp_path, Pair())
    await start_with(redis, *tls_options(tmp_path, port))
    path = tmp_path / "sentinel.conf"
    path.write_text(f"dir {tmp_path}\nsentinel monitor main 127.0.0.1 {port} 1\n")
    process = await asyncio.create_subprocess_exec(
        *("redis-server", str(path), "--sentinel", "--bind", "127.0.0.1", "--port", "0"),
        *("--tls-replication", "yes", "--logfile", "sentinel.log"),
        *tls_options(tmp_path, own_port),
    )
    try:
        url = f"rediss+sentinel://127.0.0.1:{own_port}/main/0"
        authority = f"?ssl_ca_certs={tmp_path}/ca.pem"
        async with asyncio.timeout(20):
            while not await counts(url + authority):  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.01)
        assert not await counts(url)
    finally:
        process.kill()
        await process.wait()


async def counts(url: str) -> bool:
    """Report whether a store counts."""
    try:
        await take(url)
    except StoreError:
        return False
    return True


async def test_the_sizes_are_right(redis: RedisServer) -> None:
    """A running call takes the memory of the page at most, and not much less."""
    [_, size] = re.findall(r"([\d.]+) kB for each", STORE)
    calls = 5_000
    async with redis.client() as client, aclosing(RedisStore(redis.url)) as store:
        before = (await client.info("memory"))["used_memory"]
        totals = Totals(3_000, 3_000_000)
        entries = [
            LeaseEntry(EntryKind.TAKE, f"{number:032x}", 1, 0.0, None, totals, Held(256, 10**7))
            for number in range(calls)
        ]
        limits = CallerLimits(None, (Window(Unit.TOKENS, 10**9, "m"),))
        for start in range(0, calls, 500):
            await store.apply([Batch("team", limits, entries[start : start + 500])])
        used = (await client.info("memory"))["used_memory"] - before
        assert 0.5 <= used / calls / (float(size) * 1_000) <= 1
