"""The directory of the probe socket: where it is created and who removes it."""

import asyncio
import errno
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from support.app import StartApp
from tokenwire.server import private_directory
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

HELLO = pb.Message(content="hello")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The parent of temporary directories, for this test only."""
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield Path(short)


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A replacement for /dev/shm, for this test only."""
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(private_directory, "SHARED_MEMORY", Path(short))
        yield Path(short)


async def test_a_directory_that_stays_cuts_no_answer(
    monkeypatch: pytest.MonkeyPatch, temporary: Path, start_app: StartApp
) -> None:
    """A file system that becomes read-only does not end running answers during the drain."""
    del temporary

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    async with DemoUpstream(tokens_per_second=60) as upstream:
        app = await start_app(base_url=upstream.base_url, drain_seconds=0)
        async with grpc.aio.insecure_channel(app.address) as channel:
            answers = aiter(chatgpt_pb2_grpc.ChatgptStub(channel).Send(HELLO))
            await anext(answers)
            with monkeypatch.context() as read_only:
                for name in ("unlink", "rmdir", "chmod"):
                    read_only.setattr(os, name, fail)
                drained = asyncio.create_task(app.drain())
                *_, last = [answer async for answer in answers]
                await drained
    assert last.finish_reason


def test_no_temporary_directory_at_all(monkeypatch: pytest.MonkeyPatch, in_memory: Path) -> None:
    """With a read-only root file system, the directory is created in memory."""

    def fail() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", fail)
    assert private_directory.make().parent == in_memory


@pytest.mark.parametrize("name", ["%41", "\udcff", "long" * 30])
def test_a_path_that_is_no_address(
    temporary: Path, in_memory: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A temporary directory whose path gRPC would interpret differently is not used."""
    place = temporary / name
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    assert private_directory.make().parent == in_memory


def listening(directory: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(directory / private_directory.SOCKET))
    server.listen()
    return server


def test_directories_of_dead_processes(temporary: Path) -> None:
    """A new process removes the directories that killed processes left, and nothing else."""
    dead, alive, young, empty, foreign = (private_directory.make() for _ in range(5))
    (foreign / "file").touch()
    hour_ago = time.time() - 3_600
    for directory in (dead, young):
        listening(directory).close()
    with listening(alive):
        for directory in (dead, alive):
            os.utime(directory / private_directory.SOCKET, (hour_ago, hour_ago))
        made = private_directory.make()
        assert set(temporary.iterdir()) == {alive, young, empty, foreign, made}
