"""A bounded queue of lines and a thread that writes them to a stream.

A slow or stopped reader must not block the service. A pipe that nobody reads blocks only the
writer thread; lines that do not fit into the queue, or cannot be written, are dropped and
counted.
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
"""The capacity of the queue: three seconds of lines at a thousand calls per second."""
BATCH_BYTES: Final = select.PIPE_BUF
"""The most bytes per write; a pipe does not mix writes of this size with those of other
workers."""
PAUSE_SECONDS: Final = 0.01
"""The pause between two writes, so that a busy process wakes the writer thread at most a
hundred times a second instead of for each line."""
REPORT_SECONDS: Final = 10.0
"""The minimum time between two reports of dropped lines."""
RETRY_SECONDS: Final = 1.0
"""The timeout of one poll of a stream that another process made non-blocking."""


class LineDropReason(Enum):
    """Why a line was dropped.

    Attributes:
        QUEUE: The queue was full.
        WRITE: The stream could not be written.
        RATE: A library exceeded its rate limit.
    """

    QUEUE = "queue"
    WRITE = "write"
    RATE = "rate"


OnDropped = Callable[[LineDropReason, int], None]
Report = Callable[[Mapping[LineDropReason, int]], bytes]


class LineWriter:
    """Writes lines to a stream from a thread of its own; `put` never blocks.

    Only one thread at a time may call `put`; any thread may call the other methods.

    Args:
        stream: Where lines are written; as text if it has no file descriptor.
        name: The name of the writer thread.
        on_dropped: Called from any thread with the reason and the number of dropped lines.
        report: Renders a line with the numbers of lines dropped since the previous report.
            It is written as soon as lines can be written again; None writes no reports.
    """

    def __init__(
        self, stream: TextIO, name: str, on_dropped: OnDropped, report: Report | None = None
    ) -> None:
        self._stream = stream
        self._name = name
        self._on_dropped = on_dropped
        self._report = report
        # SimpleQueue is reentrant: a finalizer that logs may interrupt `put`.
        self._queue: SimpleQueue[bytes | threading.Event] = SimpleQueue()
        self._carried_over: bytes | threading.Event | None = None
        self._put_bytes = self._taken_bytes = 0
        # Needs no lock: for each reason, only one thread counts.
        self._dropped = dict.fromkeys(LineDropReason, 0)
        self._reported = dict(self._dropped)
        self._last_report = -REPORT_SECONDS
        self._ends_mid_line = False
        self._flush_requested = threading.Event()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def set_stream(self, stream: TextIO) -> None:
        """Write all later lines to `stream`."""
        self._stream = stream

    def put(self, line: bytes) -> bool:
        """Queue a line, which must end with a line feed; return False if the queue is full."""
        if self._put_bytes - self._taken_bytes + len(line) > QUEUE_BYTES:
            self.count_dropped(LineDropReason.QUEUE)
            return False
        self._put_bytes += len(line)
        self._queue.put(line)
        if self._thread is None:
            # If the thread limit is reached, the next line tries again.
            with contextlib.suppress(RuntimeError):
                self._start()
        return True

    def count_dropped(self, reason: LineDropReason, lines: int = 1) -> None:
        """Count lines that are not written."""
        self._dropped[reason] += lines
        self._on_dropped(reason, lines)

    def flush(self, seconds: float) -> bool:
        """Wait at most `seconds` until all queued lines are written or dropped.

        Returns:
            False if the time was not sufficient.
        """
        if self._thread is None:
            return True
        done = threading.Event()
        self._queue.put(done)
        self._flush_requested.set()
        return done.wait(seconds)

    def close(self) -> None:
        """End the thread once the queue is written; a later `put` starts a new one."""
        if self._thread is not None:
            self._thread = None
            self._queue.put(self._end)

    def _start(self) -> None:
        # A daemon thread: a blocked write must not prevent the process from exiting.
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        thread.start()
        self._thread = thread

    def _run(self) -> None:
        while True:
            batch, written = self._next_batch()
            if unwritten := self._write(batch):
                self.count_dropped(LineDropReason.WRITE, unwritten)
            else:
                self._report_dropped()
            if written is self._end:
                return
            if written:
                written.set()
                self._flush_requested.clear()
            elif self._carried_over is None and self._queue.empty():
                self._flush_requested.wait(PAUSE_SECONDS)

    def _next_batch(self) -> tuple[bytes, threading.Event | None]:
        """Wait for the next lines.

        Returns:
            The lines, and the event to set once they are written, if one was queued after
            them. No lines if a report is due.
        """
        batch = bytearray()
        while True:
            item = self._next(wait=not batch)
            if item is None or isinstance(item, threading.Event):
                return bytes(batch), item
            if batch and len(batch) + len(item) > BATCH_BYTES:
                self._carried_over = item
                return bytes(batch), None
            batch += item
            self._taken_bytes += len(item)

    def _next(self, *, wait: bool) -> bytes | threading.Event | None:
        if self._carried_over is not None:
            item, self._carried_over = self._carried_over, None
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
            new = {reason: counts[reason] - self._reported[reason] for reason in LineDropReason}
            nonzero = {reason: lines for reason, lines in new.items() if lines}
            if not self._write(self._report(nonzero)):
                self._reported = counts

    def _write(self, lines: bytes) -> int:
        """Write complete lines; return how many could not be written."""
        # Ends a partly written line, so that the next line does not continue it.
        line_end = b"\n" if self._ends_mid_line and lines else b""
        data = line_end + lines
        written = 0
        try:
            while written < len(data):
                written += self._write_some(data[written:])
        except Exception:  # noqa: BLE001 - the thread must survive any error of the stream
            if written:
                self._ends_mid_line = data[written - 1 : written] != b"\n"
            return data.count(b"\n", max(written, len(line_end)))
        if data:
            self._ends_mid_line = False
        return 0

    def _write_some(self, data: bytes) -> int:
        """Write at least one byte and return the number of bytes written."""
        stream = self._stream
        try:
            descriptor = stream.fileno()
        except io.UnsupportedOperation:
            stream.write(data.decode())
            return len(data)
        while True:
            try:
                # Not through the stream: its lock would be held while this blocks, and the
                # interpreter acquires that lock at exit.
                return os.write(descriptor, data)
            except BlockingIOError:
                writable = select.poll()
                writable.register(descriptor, select.POLLOUT)
                writable.poll(RETRY_SECONDS * 1000)
