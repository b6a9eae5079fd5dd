"""nginx in front of a server, with the configuration of the example."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import grpc
import pytest

from support.app import StartApp, Stub
from support.helpers import collect, failure_of, next_of, reason_of, text_of
from support.ports import free_port
from support.programs import ROOT, started
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

pytestmark = [pytest.mark.tools, pytest.mark.timeout(60)]

CONFIG: Final = ROOT / "examples" / "nginx" / "nginx.conf"
HELLO = pb.Message(content="hello")
OWN: Final = "daemon off; pid {0}/nginx.pid; error_log {0}/error.log;\n"
OWN_HTTP: Final = (
    "http {{\n access_log off; client_body_temp_path {0}/1; proxy_temp_path {0}/2;"
    " fastcgi_temp_path {0}/3; uwsgi_temp_path {0}/4; scgi_temp_path {0}/5;"
)
"""What a test adds, so that nginx writes to its folder alone."""


@asynccontextmanager
async def proxied(
    tools: Path, folder: Path, server: str, read_timeout: str = "300s"
) -> AsyncIterator[Stub]:
    """Run nginx before a server, and yield a client of it."""
    port = free_port()
    text = CONFIG.read_text("utf-8")
    for old, new in {
        "server 127.0.0.1:50051": f"server {server}",
        "listen 127.0.0.1:8080": f"listen 127.0.0.1:{port}",
        "grpc_read_timeout 300s": f"grpc_read_timeout {read_timeout}",
        "http {": OWN_HTTP.format(folder),
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = folder / "nginx.conf"
    path.write_text(OWN.format(folder) + text)
    command = (tools / "nginx", "-e", folder / "error.log", "-c", path)
    async with (
        started(*command),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        async with asyncio.timeout(20):
            await channel.channel_ready()
        yield chatgpt_pb2_grpc.ChatgptStub(channel)


async def test_answers_and_failures_pass(
    tools: Path, start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """Tokens pass at once; codes, details and trailers of failures are those of the server."""
    app = await start_app()
    async with proxied(tools, tmp_path, app.address) as stub:
        upstream.script("tokens 1; barrier first; answer")
        answers = aiter(stub.Send(HELLO))
        first = await anext(answers)
        upstream.barrier("first").release()
        rest = await collect(answers)
        assert rest[-1].finish_reason == pb.FINISH_REASON_STOP
        assert text_of(rest).startswith(" ")
        assert first.content
        plan = "status 429 retry-after=7"
        upstream.script(plan, plan, "tokens 2; reset")
        _, error = await failure_of(stub.Send(HELLO))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert reason_of(error) == "UPSTREAM_RATE_LIMITED"
        assert dict(error.trailing_metadata() or ())["grpc-retry-pushback-ms"] == "7000"


async def test_a_caller_that_leaves_ends_the_request(
    tools: Path, start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """A cancellation reaches the model."""
    app = await start_app()
    async with proxied(tools, tmp_path, app.address) as stub:
        upstream.script("tokens 1; stall")
        call = stub.Send(HELLO)
        await next_of(call)
        call.cancel()
        await upstream.wait_until_idle()


async def test_a_large_request_passes(tools: Path, start_app: StartApp, tmp_path: Path) -> None:
    """A request of 20 MB arrives."""
    app = await start_app()
    async with proxied(tools, tmp_path, app.address) as stub:
        image = pb.Part(inline=b"x" * 20_000_000, media_type="image/png")
        message = pb.Message(content="What is this?", parts=[image])
        assert text_of(await collect(stub.Send(message)))


async def test_its_time_limit_ends_answers(
    tools: Path, start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """`grpc_read_timeout` without a token ends a call: as UNAVAILABLE, or INTERNAL after one."""
    app = await start_app()
    async with proxied(tools, tmp_path, app.address, read_timeout="300ms") as stub:
        found = []
        for plan in ("stall", "tokens 1; stall"):
            upstream.script(plan)
            _, error = await failure_of(stub.Send(HELLO, timeout=40))
            found.append(error.code().name)
        assert found == ["UNAVAILABLE", "INTERNAL"]
