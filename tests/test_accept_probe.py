"""The probes with which the server measures how long calls wait in gRPC."""

import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from support.app import StartApp
from support.helpers import collect, failure_of, reason_of
from support.waiting import within
from tokenwire.app import App
from tokenwire.server import accept_probe
from tokenwire.server.accept_probe import PROBE_KEY, AcceptProbe
from tokenwire.server.interceptors.base import Metadata
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

HELLO = pb.Message(content="hello")


def sockets_below(directory: Path) -> list[Path]:
    return [path for path in directory.glob("tokenwire-*/*") if path.is_socket()]


def is_anything_in(directory: Path) -> bool:
    return any(directory.iterdir())


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A separate folder for the test's temporary directories."""
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield Path(short)


async def test_the_socket_is_this_users_alone(temporary: Path, start_app: StartApp) -> None:
    """No other user can open the socket, and it is removed when the server stops."""
    app = await start_app()
    [socket] = sockets_below(temporary)
    assert stat.S_IMODE(socket.parent.stat().st_mode) == stat.S_IRWXU
    await app.stop(grace_seconds=0)
    assert not is_anything_in(temporary)


async def test_probes_are_no_calls(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp, upstream: DemoUpstream
) -> None:
    """Probes run continuously, but no metric counts them and none reaches the upstream."""
    monkeypatch.setattr(accept_probe, "IDLE_INTERVAL_SECONDS", 0.01)
    came = 0
    is_probe = AcceptProbe.is_probe

    def count(probe: AcceptProbe, method: str, metadata: Metadata) -> bool:
        nonlocal came
        found = is_probe(probe, method, metadata)
        came += found
        return found

    monkeypatch.setattr(AcceptProbe, "is_probe", count)
    app = await start_app()
    await within(5, "probes", lambda: came >= 20)
    registry = app.metrics.registry
    assert registry.get_sample_value("tokenwire_accept_wait_seconds_count") == 0
    assert upstream.requests_seen == 0


async def test_nobody_else_can_make_a_probe(app: App) -> None:
    """A call that imitates a probe is handled as an ordinary call."""
    async with grpc.aio.insecure_channel(app.address) as channel:
        stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        blank = stub.Send(pb.Message(), metadata=((PROBE_KEY, f"{'0' * 32}-1"),))
        _, error = await failure_of(blank)
        assert reason_of(error) == "EMPTY_PROMPT"
        assert await collect(stub.Send(HELLO, metadata=((PROBE_KEY, ""),)))


async def test_a_root_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp
) -> None:
    """If the temporary directory is missing or its path too long, the socket is in /dev/shm."""
    before = set(sockets_below(Path("/dev/shm")))  # noqa: S108 - the fallback under test
    for place in ("/nowhere", f"/tmp/{'long' * 30}"):  # noqa: S108 - not created
        monkeypatch.setattr(tempfile, "tempdir", place)
        app = await start_app()
        assert len(set(sockets_below(Path("/dev/shm"))) - before) == 1  # noqa: S108 - the same
        await app.stop(grace_seconds=0)


async def test_no_place_for_the_socket(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp, caplog: pytest.LogCaptureFixture
) -> None:
    """If no socket can be created, the server logs this and serves."""

    def fail(**_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(tempfile, "mkdtemp", fail)
    app = await start_app()
    assert "no socket for probes" in caplog.text
    async with grpc.aio.insecure_channel(app.address) as channel:
        assert await collect(chatgpt_pb2_grpc.ChatgptStub(channel).Send(HELLO))
