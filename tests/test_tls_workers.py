"""TLS with several workers on one port."""

import asyncio
from pathlib import Path

import pytest

from support.certificates import Mount, Pair, answer_of, caller
from support.crew import CONNECTIONS, STARTED, by_worker, crew
from support.process import ServerProcess
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.slow

RELOADED = "new certificate in use"


async def answers(server: ServerProcess, pair: Pair) -> list[str]:
    """Make one call on each of many new connections that must present this certificate."""
    calls = (answer_of(caller(server.address, pair.authority)) for _ in range(CONNECTIONS))
    return await asyncio.gather(*calls)


async def test_every_worker_speaks_tls_and_finds_new_certificates(
    upstream: DemoUpstream, tmp_path: Path
) -> None:
    """All workers serve TLS, and after a change all serve the new pair and none the old."""
    old, new = Pair(), Pair()
    mount = Mount(tmp_path).put(old)
    async with crew(upstream, env=mount.environment) as server:
        assert all(await answers(server, old))
        calls = await by_worker(server, STARTED)
        assert calls.keys() == {"0", "1"}
        assert all(calls.values())
        mount.put(new)
        assert all(await answers(server, new))
        await server.logged(RELOADED, times=2)
        told = [entry for entry in server.entries if entry["event"] == RELOADED]
        assert {entry["worker"] for entry in told} == {0, 1}
        for pair in (old, new):
            body = pair.key.decode().splitlines()[1]
            assert not [line for line in server.log_lines if body in line]
