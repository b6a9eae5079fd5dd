"""The file of usage records: what is in it when writing fails, and what is lost."""

import errno
import fcntl
import logging
import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from support.waiting import within
from tokenwire.config import SettingsError
from tokenwire.observability.metrics.usage import UsageMetrics
from tokenwire.observability.usage import writer as writer_module
from tokenwire.observability.usage.file import SharedFile
from tokenwire.observability.usage.writer import UsageWriter

SECONDS = 30.0
ROOM = 1 << 20
"""The size of the largest file while the disk is full; no other file of a test is as large."""


class Watched:
    """A writer, its file and its metrics."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._registry = CollectorRegistry()
        self.writer = UsageWriter(path, UsageMetrics(self._registry))
        self.writer.start()

    def put(self, *records: str) -> None:
        for record in records:
            self.writer.put(f"{record}\n".encode())

    def value(self, name: str, reason: str | None = None) -> float:
        """Return the value of a metric of the records."""
        labels = {} if reason is None else {"reason": reason}
        value = self._registry.get_sample_value(f"tokenwire_usage_{name}", labels)
        assert value is not None
        return value

    async def written(self, records: int) -> None:
        """Wait until the disk has this many records."""
        done = "records_written_total"
        await within(SECONDS, f"{records} written", lambda: self.value(done) == records)

    async def failed(self) -> None:
        """Wait until a further write has failed."""
        before = self.value("write_failures_total")
        await within(SECONDS, "a write failed", lambda: self.value("write_failures_total") > before)

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """A writer that tries again soon."""
    monkeypatch.setattr(writer_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(writer_module, "SYNC_SECONDS", 0.01)
    running = Watched(tmp_path / "usage.jsonl")
    yield running
    running.writer.stop()


@contextmanager
def full_disk(path: Path, room: int) -> Iterator[None]:
    """Leave room for some bytes after the content of a file, which grows to nearly ROOM."""
    path.write_bytes(b"x" * (ROOM - room - 1) + b"\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep the writer from writing, like a disk that does not answer."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def test_records_are_written_in_their_order(watched: Watched) -> None:
    """All records are in the file in their order, and none waits."""
    records = [f"record {number}" for number in range(3_000)]
    watched.put(*records)
    await watched.written(3_000)
    assert watched.lines() == records
    assert watched.value("records_queued") == 0


async def test_nothing_is_lost_while_the_disk_is_full(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """Records wait until there is room, and the file has no half of one."""
    caplog.set_level(logging.INFO, "tokenwire.observability.usage")
    with full_disk(watched.path, room=7):
        watched.put("one", "second", "third")
        await watched.failed()
        await watched.failed()
        assert watched.path.stat().st_size == ROOM - 7
        assert watched.value("records_queued") == 3
    await watched.written(3)
    assert watched.lines()[1:] == ["one", "second", "third"]
    assert watched.value("records_lost_total", "queue") == 0
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.error == "EFBIG"  # type: ignore[attr-defined] # a field of the line
    await within(SECONDS, "told", lambda: "usage records are written again" in caplog.text)


async def test_what_the_disk_did_not_store_is_written_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk reports that it may have lost records, they are in the file twice."""
    sync = os.fsync
    failures = iter([OSError(errno.EIO, "")])

    def fail_once(descriptor: int) -> None:
        for failure in failures:
            raise failure
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_once)
    watched.put("one")
    await watched.written(1)
    assert watched.lines() == ["one", "one"]


async def test_a_rotated_file_is_opened_again(watched: Watched) -> None:
    """After a rename, records go to a new file; those before it stay in the old one."""
    for number in range(3):
        watched.put(f"before {number}")
        await watched.written(2 * number + 1)
        watched.path.rename(watched.path.with_suffix(f".{number}"))
        watched.put(f"after {number}")
        await watched.written(2 * number + 2)
        assert watched.lines() == [f"after {number}"]
        old = watched.path.with_suffix(f".{number}")
        assert old.read_text().splitlines()[-1] == f"before {number}"


async def test_a_removed_folder_is_waited_for(watched: Watched) -> None:
    """While the file cannot be made, records wait."""
    folder = watched.path.parent
    moved = folder.with_name("moved")
    folder.rename(moved)
    watched.put("one")
    await watched.failed()
    moved.rename(folder)
    await watched.written(1)
    assert watched.lines() == ["one"]


async def test_a_full_queue_loses_what_comes(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the disk is slow, the queue grows to its limit; what comes then is lost and counted."""
    monkeypatch.setattr(writer_module, "QUEUE_BYTES", 20)
    with held(watched.path):
        watched.put("one", "two", "three", "four", "five", "six")
        assert watched.value("records_queued") == 4
        assert watched.value("records_lost_total", "queue") == 2
    await watched.written(4)
    watched.put("seven")
    await watched.written(5)
    assert watched.lines() == ["one", "two", "three", "four", "seven"]
    assert "usage records lost" in caplog.text


def test_the_end_waits_for_the_disk(watched: Watched) -> None:
    """When `stop` returns, all records are in the file."""
    watched.put(*(str(number) for number in range(1_000)))
    watched.writer.stop()
    assert len(watched.lines()) == 1_000
    assert watched.value("records_written_total") == 1_000
    assert watched.value("records_lost_total", "shutdown") == 0


def test_the_end_does_not_wait_for_ever(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Records that the disk does not take in time are lost, counted and told."""
    monkeypatch.setattr(writer_module, "CLOSE_SECONDS", 0.05)
    with held(watched.path):
        watched.put("one", "two")
        watched.writer.stop()
        assert watched.value("records_lost_total", "shutdown") == 2
        watched.put("three")
        assert watched.value("records_lost_total", "shutdown") == 3
    [record] = [each for each in caplog.records if each.message == "usage records lost"]
    assert record.records == 2  # type: ignore[attr-defined] # a field of the line


def test_a_full_disk_does_not_keep_the_process(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing is tried again until the time of the end is over."""
    monkeypatch.setattr(writer_module, "CLOSE_SECONDS", 0.2)
    with full_disk(watched.path, room=1):
        watched.put("one")
        watched.writer.stop()
    assert watched.value("records_lost_total", "shutdown") == 1
    assert watched.value("write_failures_total") > 1


def test_writers_share_a_file(tmp_path: Path) -> None:
    """Several writers of one file, each with its own descriptor, never mix their lines."""
    path = tmp_path / "usage.jsonl"

    def write(letter: str) -> None:
        file = SharedFile(path)
        file.open()
        for _ in range(200):
            file.append(f"{letter * 9_999}\n".encode())
        file.close()

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_text().splitlines()
    assert sorted(lines) == sorted([letter * 9_999 for letter in "abcd"] * 200)


def test_half_a_line_is_not_continued(tmp_path: Path) -> None:
    """Half a line of a process that was killed stays on a line of its own."""
    path = tmp_path / "usage.jsonl"
    path.write_text('{"id": "ha')
    file = SharedFile(path)
    file.open()
    file.append(b"one\n")
    file.append(b"two\n")
    file.close()
    assert path.read_text().splitlines() == ['{"id": "ha', "one", "two"]


def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    """A folder, a pipe and a missing folder are refused in one line, with the setting's name."""
    os.mkfifo(tmp_path / "pipe")
    problems = {
        tmp_path: "Is a directory",
        tmp_path / "pipe": "Not a regular file",
        tmp_path / "none" / "usage": "No such file or directory",
    }
    for path, problem in problems.items():
        with pytest.raises(SettingsError) as caught:
            Watched(path)
        [line] = caught.value.problems
        assert line == f"TOKENWIRE_USAGE_FILE={path}: cannot be written: {problem}"
