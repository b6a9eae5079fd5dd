"""Lines on their way out of the process: a bounded queue, and a thread that writes it.

Whoever reads the log must not be able to stop the service. A pipe that nobody
reads blocks the thread and nobody else; lines that do not fit into the queue, or
cannot be written, are dropped and counted.
"""

import contextlib
import io
import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Final, TextIO

QUEUE_BYTES: Final = 1024 * 1024
"""How much may wait: three seconds of lines at a thousand calls a second."""
BATCH_BYTES: Final = select.PIPE_BUF
"""The most that one write to a pipe never mixes with the writes of other workers."""
PAUSE_SECONDS: Final = 0.01
"""Between two writes, so that a busy process wakes its thread a hundred times a second,
not for each line."""
REPORT_SECONDS: Final = 10.0
"""How often it is reported at most that lines were dropped."""
RETRY_SECONDS: Final = 1.0
"""How long to wait at a time for a stream that another process made non-blocking."""


class Drop(Enum):
    """Why a line was dropped."""

    QUEUE = "queue"
    WRITE = "write"
    RATE = "rate"


OnDropped = Callable[[Drop, int], None]
Report = Callable[[Mapping[Drop, int]], bytes]


class LineWriter:
    """Writes lines to a stream; `put` never waits for it.

    One thread at a time may call `put`, and any thread the other methods.

    Args:
        stream: Where lines go. One without a file descriptor gets text.
        name: Of the thread.
        on_dropped: Told why lines were dropped, and how many; by any thread.
        report: Makes a line that tells how many were dropped since the last one; it is
            written once lines flow again.
    """

    def __init__(
        self, stream: TextIO, name: str, on_dropped: OnDropped, report: Report | None = None
    ) -> None:
        self._stream = stream
        self._name = name
        self._on_dropped = on_dropped
        self._report = report
        # Its methods may interrupt each other, as those of a finalizer that logs do.
        self._queue: SimpleQueue[bytes | threading.Event] = SimpleQueue()
        self._held: bytes | threading.Event | None = None
        self._put_bytes = self._taken_bytes = 0
        # Of each reason only one thread counts: who puts lines, or who writes them.
        self._dropped = dict.fromkeys(Drop, 0)
        self._reported = dict(self._dropped)
        self._last_report = -REPORT_SECONDS
        self._torn = False
        self._hurry = threading.Event()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def set_stream(self, stream: TextIO) -> None:
        """Write to another stream from now on."""
        self._stream = stream

    def put(self, line: bytes) -> bool:
        """Queue a line that ends with a line feed; return whether there was room for it."""
        if self._put_bytes - self._taken_bytes + len(line) > QUEUE_BYTES:
            self.dropped(Drop.QUEUE)
            return False
        self._put_bytes += len(line)
        self._queue.put(line)
        if self._thread is None:
            # Without one, as where no more threads are allowed, the next line tries again.
            with contextlib.suppress(RuntimeError):
                self._start()
        return True

    def dropped(self, drop: Drop, lines: int = 1) -> None:
        """Count lines that are not written."""
        self._dropped[drop] += lines
        self._on_dropped(drop, lines)

    def flush(self, seconds: float) -> bool:
        """Wait until all that was queued is written or dropped, or give up.

        Returns:
            Whether it was done in time.
        """
        if self._thread is None:
            return True
        done = threading.Event()
        self._queue.put(done)
        self._hurry.set()
        return done.wait(seconds)

    def close(self) -> None:
        """End the thread once all is written; another `put` starts it again."""
        if self._thread is not None:
            self._thread = None
            self._queue.put(self._end)

    def _start(self) -> None:
        # A daemon: one that hangs in a write must not hold the end of the process.
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        thread.start()
        self._thread = thread

    def _run(self) -> None:
        while True:
            batch, mark = self._next_batch()
            if lost := self._write(batch):
                self.dropped(Drop.WRITE, lost)
            else:
                self._report_dropped()
            if mark is self._end:
                return
            if mark:
                mark.set()
                self._hurry.clear()
            elif self._held is None and self._queue.empty():
                self._hurry.wait(PAUSE_SECONDS)

    def _next_batch(self) -> tuple[bytes, threading.Event | None]:
        """Wait for lines; return some, and the mark behind them: what to set once they are written.

        Returns nothing when a report is due.
        """
        batch = bytearray()
        while True:
            item = self._next(wait=not batch)
            if item is None or isinstance(item, threading.Event):
                return bytes(batch), item
            if batch and len(batch) + len(item) > BATCH_BYTES:
                self._held = item
                return bytes(batch), None
            batch += item
            self._taken_bytes += len(item)

    def _next(self, *, wait: bool) -> bytes | threading.Event | None:
        if self._held is not None:
            item, self._held = self._held, None
            return item
        timeout = None
        if self._report and self._dropped != self._reported:
            timeout = max(0.0, self._last_report + REPORT_SECONDS - time.monotonic())
        try:
            return self._queue.get(wait, timeout)
        except Empty:
            return None

    def _report_dropped(self) -> None:
        counts = dict(self._dropped)
        now = time.monotonic()
        if self._report and counts != self._reported and now >= self._last_report + REPORT_SECONDS:
            self._last_report = now
            new = {drop: counts[drop] - self._reported[drop] for drop in Drop}
            if not self._write(self._report({drop: lines for drop, lines in new.items() if lines})):
                self._reported = counts

    def _write(self, lines: bytes) -> int:
        """Write whole lines; return how many could not be written."""
        # What follows half a line must not become its end.
        mended = b"\n" if self._torn and lines else b""
        data = mended + lines
        written = 0
        try:
            while written < len(data):
                written += self._write_some(data[written:])
        except Exception:  # noqa: BLE001 - whatever is wrong with the stream, the thread goes on
            if written:
                self._torn = data[written - 1 : written] != b"\n"
            return data.count(b"\n", max(written, len(mended)))
        if data:
            self._torn = False
        return 0

    def _write_some(self, data: bytes) -> int:
        """Write what can be written at once, at least a byte; return how much it was."""
        stream = self._stream
        try:
            descriptor = stream.fileno()
        except io.UnsupportedOperation:
            stream.write(data.decode())
            return len(data)
        while True:
            try:
                # Not through the stream: its lock would be held as long as this blocks, and
                # the interpreter takes it at the end.
                return os.write(descriptor, data)
            except BlockingIOError:
                writable = select.poll()
                writable.register(descriptor, select.POLLOUT)
                writable.poll(RETRY_SECONDS * 1000)
