"""The queue of log lines: written lines are complete, and dropped lines are counted."""

import errno
import io
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from tokenwire.observability.logs import line_writer
from tokenwire.observability.logs.line_writer import QUEUE_BYTES, LineDropReason, LineWriter

SECONDS = 30.0


class Counted:
    """A writer with a counter of its dropped lines."""

    def __init__(self, stream: TextIO) -> None:
        self.drops: Counter[LineDropReason] = Counter()
        self.writer = LineWriter(stream, "test", self._count, self._report)

    def _count(self, drop: LineDropReason, lines: int) -> None:
        self.drops[drop] += lines

    @staticmethod
    def _report(counts: Mapping[LineDropReason, int]) -> bytes:
        return f"dropped {sum(counts.values())}\n".encode()

    def flush(self) -> None:
        assert self.writer.flush(SECONDS)


@contextmanager
def pipe() -> Iterator[tuple[int, TextIO]]:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        yield reader, stream
    os.close(reader)


def test_lines_are_written_in_their_order(tmp_path: Path) -> None:
    """Lines that are short, or longer than an atomic write to a pipe, are written in order."""
    lines = [b"%d " % number + b"x" * (number % 50) * 200 + b"\n" for number in range(150)]
    with (tmp_path / "log").open("w") as stream:
        counted = Counted(stream)
        assert all(map(counted.writer.put, lines))
        counted.flush()
    assert (tmp_path / "log").read_bytes() == b"".join(lines)


def test_a_full_queue_drops_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """If nobody reads the pipe, the queue grows to its limit and further lines are dropped."""
    monkeypatch.setattr(line_writer, "REPORT_SECONDS", 0.0)
    line = b"x" * 1023 + b"\n"
    with pipe() as (reader, stream):
        counted = Counted(stream)
        put = sum(counted.writer.put(line) for _ in range(2 * QUEUE_BYTES // len(line)))
        assert counted.drops == {LineDropReason.QUEUE: 2 * QUEUE_BYTES // len(line) - put}
        assert not counted.writer.flush(0.01)
        text = b""
        while text.count(b"\n") <= put:
            text += os.read(reader, 65_536)
        counted.flush()
    lines = text.splitlines(keepends=True)
    assert sum(each == line for each in lines) == put
    [report] = [each for each in lines if each != line]
    assert report == b"dropped %d\n" % counted.drops[LineDropReason.QUEUE]


def test_half_a_line_is_not_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk becomes full within a line, the next line that fits starts on a new line."""
    monkeypatch.setattr(line_writer, "REPORT_SECONDS", 0.001)
    room = 6
    write = os.write

    def write_what_fits(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "")
        written = write(descriptor, data[:room])
        room -= written
        return written

    monkeypatch.setattr(os, "write", write_what_fits)
    with (tmp_path / "log").open("w") as stream:
        counted = Counted(stream)
        counted.writer.put(b"one\n")
        counted.flush()
        counted.writer.put(b"two\n")
        counted.writer.put(b"three\n")
        counted.flush()
        assert counted.drops == {LineDropReason.WRITE: 2}
        room = 1_000
        while b"dropped" not in (tmp_path / "log").read_bytes():
            counted.writer.put(b"four\n")
            counted.flush()
    first, half, *others = (tmp_path / "log").read_bytes().splitlines()
    assert (first, half) == (b"one", b"tw")
    assert set(others) == {b"dropped 2", b"four"}


def test_a_descriptor_that_does_not_block_is_waited_for() -> None:
    """On a pipe that another process made non-blocking no line is lost."""
    line = b"x" * 1023 + b"\n"
    count = QUEUE_BYTES // len(line)
    with pipe() as (reader, stream):
        os.set_blocking(stream.fileno(), False)
        counted = Counted(stream)
        assert all(counted.writer.put(line) for _ in range(count))
        read = 0
        while read < count * len(line):
            read += len(os.read(reader, 65_536))
        counted.flush()
    assert counted.drops == {}


def test_a_stream_without_a_descriptor_gets_text() -> None:
    """A stream without a descriptor gets text, before and after `close`."""
    stream = io.StringIO()
    counted = Counted(stream)
    for text in ("one\n", "two\n"):
        counted.writer.put(text.encode())
        counted.flush()
        counted.writer.close()
    assert stream.getvalue() == "one\ntwo\n"
