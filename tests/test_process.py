"""`tokenwire serve` as a process: how it starts, drains and exits."""

import asyncio
import os
import signal
import sys

import grpc
import pytest
from grpc_health.v1 import health_pb2

from support.app import MODEL
from support.health import NOT_SERVING, SERVING, health_of
from support.helpers import collect, text_of
from support.process import FREE_PORTS, ServerProcess
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.slow

SERVICE = health_pb2.HealthCheckRequest(service="openai.Chatgpt")
STALLED_IMPORT = """
import sys, time
class Stall:
    def find_spec(self, name, *_):
        if name == "tokenwire.app":
            print("stalled", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Stall())
sys.argv = ["tokenwire", "serve", "--demo"]
from tokenwire.__main__ import main
main()
"""
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.fixture
def env(upstream: DemoUpstream) -> dict[str, str]:
    return {"OPENAI_BASE_URL": upstream.base_url, "TOKENWIRE_MODEL": MODEL}


async def test_it_serves_and_logs_json(env: dict[str, str]) -> None:
    """A started process answers calls, reports SERVING, and writes only JSON lines."""
    async with (
        ServerProcess(env=env) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        assert (await health_of(channel).Check(SERVICE)).status == SERVING
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        assert text_of(await collect(stub.Send(pb.Message(content="hello"))))
        entry = await server.logged("call ended")
        assert entry["code"] == "OK"
        assert len(server.entries) == len(server.log_lines)


async def test_it_warns_of_a_misspelt_variable(env: dict[str, str]) -> None:
    """A variable that is not a setting causes only a warning, which names the likely setting."""
    async with ServerProcess(env={**env, "TOKENWIRE_MODLE": "x"}) as server:
        entry = await server.logged("variable has no effect")
        assert entry["problem"] == "TOKENWIRE_MODLE is not a setting; TOKENWIRE_MODEL is"
    assert entry["level"] == "warning"


@pytest.mark.parametrize("number", SIGNALS)
async def test_it_drains_without_losing_an_answer(
    env: dict[str, str], upstream: DemoUpstream, number: signal.Signals
) -> None:
    """A draining server reports NOT_SERVING, still accepts calls, and finishes running answers."""
    upstream.script("tokens 1; barrier running; answer", "answer")
    env |= {"TOKENWIRE_DRAIN_SECONDS": "3", "TOKENWIRE_GRACE_SECONDS": "3600"}
    async with (
        ServerProcess(env=env) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        running = aiter(stub.Send(pb.Message(content="before")))
        await anext(running)
        watch = health_of(channel).Watch(SERVICE)
        assert (await watch.read()).status == SERVING
        server.signal(number)
        assert (await watch.read()).status == NOT_SERVING
        late = await collect(stub.Send(pb.Message(content="late")))
        assert late[-1].finish_reason == pb.FINISH_REASON_STOP
        # The watch ends when the drain time is over and the grace begins.
        assert await watch.read() is grpc.aio.EOF
        upstream.barrier("running").release()
        answers = await collect(running)
        assert answers[-1].finish_reason == pb.FINISH_REASON_STOP
        assert await server.wait() == 0
    assert [entry["event"] for entry in server.entries][-2:] == ["stopped", "exit"]
    assert len(server.entries) == len(server.log_lines)


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_second_signal_ends_it_at_once(
    env: dict[str, str], upstream: DemoUpstream, number: signal.Signals
) -> None:
    """A second signal ends the process without waiting for a hanging stream, with exit code 130."""
    upstream.script("tokens 1; stall")
    env |= {"TOKENWIRE_DRAIN_SECONDS": "3600", "TOKENWIRE_GRACE_SECONDS": "3600"}
    async with (
        ServerProcess(env=env) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        hanging = chatgpt_pb2_grpc.ChatgptStub(channel).Send(pb.Message(content="hello"))
        await hanging.read()
        server.signal(number)
        await server.logged("draining")
        server.signal(number)
        assert await server.wait() == 130
    assert "Traceback" not in "\n".join(server.log_lines)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
async def test_a_signal_during_the_start_ends_it(number: signal.Signals, code: int) -> None:
    """The process handles a signal during startup itself, as PID 1 must, and exits silently."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STALLED_IMPORT),
        env={**os.environ, **FREE_PORTS},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"stalled\n"
        process.send_signal(number)
        _, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == code
    assert stderr == b""


async def test_the_demo_answers_without_a_key() -> None:
    """`serve --demo` answers with the built-in demo model, and the answer names it."""
    async with (
        ServerProcess("--demo", env={"TOKENWIRE_DRAIN_SECONDS": "0"}) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        answers = await collect(stub.Send(pb.Message(content="hello")))
        assert "demo model" in text_of(answers)
        server.signal(signal.SIGINT)
        assert await server.wait() == 0
