"""`make observe`, as its user sees it."""

import asyncio
import re
import signal
import sys

import httpx2
import pytest

from programs import ROOT, started

pytestmark = pytest.mark.tools


async def test_observe_shows_traffic_until_ctrl_c() -> None:
    """It tells where Prometheus is, which sees calls; Ctrl-C ends all of it with exit code 0."""
    async with started(sys.executable, ROOT / "tools" / "observe.py") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        log = asyncio.create_task(process.stderr.read())
        told = ""
        while "Ctrl-C ends everything." not in told:
            line = await process.stdout.readline()
            assert line, told
            told += line.decode()
        [url] = re.findall(r"Prometheus: (\S+)", told)
        async with httpx2.AsyncClient(base_url=url) as client:
            async with asyncio.timeout(30):
                while not await good_calls(client):  # noqa: ASYNC110 - it must be asked
                    await asyncio.sleep(0.1)
            links = re.findall(r"http\S+/graph\?\S+", told)
            assert len(links) > 10
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
            assert b"Traceback" not in await log
            with pytest.raises(httpx2.ConnectError):
                await client.get("/-/ready")


async def good_calls(client: httpx2.AsyncClient) -> bool:
    """Tell whether Prometheus has seen any."""
    query = {"query": 'sum(tokenwire_calls_total{outcome="ok"}) > 0'}
    return bool((await client.get("/api/v1/query", params=query)).json()["data"]["result"])
