"""A bounded queue of usage records and a thread that writes them to a file.

A record leaves the queue when the disk has it. Until then it is written again after each failure,
so that it may be in the file twice, but is not lost while the process lives and the queue has room.
"""

import errno
import logging
import math
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from tokenwire.config import cannot_write
from tokenwire.observability.metrics.labels import UsageLossReason
from tokenwire.observability.metrics.usage import UsageMetrics
from tokenwire.observability.usage.file import SharedFile

QUEUE_BYTES: Final = 32 << 20
"""The capacity of the queue: about a minute of records at a thousand calls per second."""
BATCH_BYTES: Final = 1 << 20
"""A write begins no further record after this many bytes."""
PAUSE_SECONDS: Final = 0.01
"""The pause after a write, in which records gather for the next one."""
SYNC_SECONDS: Final = 1.0
"""The longest time from writing a record to the request that the disk store it."""
RETRY_SECONDS: Final = 1.0
"""The pause after a failure."""
CLOSE_SECONDS: Final = 3.0
"""How long the end of the process waits until the disk has all records."""
REPORT_SECONDS: Final = 60.0
"""The minimum time between two log lines about the same trouble."""

log = logging.getLogger(__name__)


class UsageWriter:
    """Writes records from a thread of its own; `put` never blocks.

    Only one thread may call the methods.

    Args:
        path: The file.
        metrics: Counts the records.
    """

    def __init__(self, path: Path, metrics: UsageMetrics) -> None:
        self._path = path
        self._metrics = metrics
        self._file = SharedFile(path)
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._put_records = self._put_bytes = 0
        # Changed by the thread only.
        self._done_records = self._done_bytes = 0
        self._unwritten: list[bytes] = []
        self._unsynced: list[bytes] = []
        self._sync_at = 0.0
        self._failing = False
        self._failure_reported_at = -math.inf
        self._lost = 0
        self._loss_reported_at = -math.inf
        self._closing = threading.Event()
        self._give_up_at = 0.0
        self._thread: threading.Thread | None = None
        metrics.watch_queue(lambda: self._put_records - self._done_records)

    def start(self) -> None:
        """Open the file and start the thread.

        Raises:
            SettingsError: The file cannot be written.
        """
        try:
            self._file.open()
        except OSError as error:
            raise cannot_write("TOKENWIRE_USAGE_FILE", self._path, error) from None
        # A daemon thread: a disk that does not answer must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._thread.start()

    def put(self, record: bytes) -> None:
        """Queue a record, which ends with a line feed. If the queue is full, it is lost."""
        if self._closing.is_set():
            self._lose(1, UsageLossReason.SHUTDOWN)
            return
        if self._put_bytes - self._done_bytes + len(record) > QUEUE_BYTES:
            self._lose(1, UsageLossReason.QUEUE)
            return
        self._put_records += 1
        self._put_bytes += len(record)
        self._queue.put(record)

    def stop(self) -> None:
        """Wait until the disk has all records, for CLOSE_SECONDS at most; the rest is lost."""
        if self._thread is None:
            return
        self._give_up_at = time.monotonic() + CLOSE_SECONDS
        self._closing.set()
        self._queue.put(None)
        self._thread.join(CLOSE_SECONDS)
        left = self._put_records - self._done_records
        if left or self._lost:
            self._loss_reported_at = -math.inf
            self._lose(left, UsageLossReason.SHUTDOWN)

    def _lose(self, records: int, reason: UsageLossReason) -> None:
        self._metrics.lost[reason].inc(records)
        self._lost += records
        now = time.monotonic()
        if now >= self._loss_reported_at + REPORT_SECONDS:
            log.error("usage records lost", extra={"records": self._lost})
            self._loss_reported_at = now
            self._lost = 0

    def _run(self) -> None:
        while self._collect():
            try:
                self._write()
            except OSError as error:
                self._report_failure(error)
                if self._closing.wait(RETRY_SECONDS):
                    if time.monotonic() >= self._give_up_at:
                        return
                    time.sleep(CLOSE_SECONDS / 20)
            else:
                self._report_success()
                self._closing.wait(PAUSE_SECONDS)
        self._file.close()

    def _collect(self) -> bool:
        """Wait for records, or until the disk is due; return False once all is done."""
        size = sum(map(len, self._unwritten))
        while size < BATCH_BYTES:
            try:
                record = self._queue.get(timeout=self._seconds_to_wait())
            except Empty:
                break
            # None only ends the waiting.
            if record is not None:
                self._unwritten.append(record)
                size += len(record)
        return bool(self._unwritten or self._unsynced) or not self._closing.is_set()

    def _seconds_to_wait(self) -> float | None:
        """Return how long to wait for a record; None for ever."""
        if self._unwritten or self._closing.is_set():
            return 0
        return max(0.0, self._sync_at - time.monotonic()) if self._unsynced else None

    def _write(self) -> None:
        if not self._file.is_open:
            self._file.open()
        elif not self._file.is_current:
            # Rotated: what was written to the old file must be on the disk, too.
            self._sync()
            self._file.open()
        if self._unwritten:
            self._file.append(b"".join(self._unwritten))
            if not self._unsynced:
                self._sync_at = time.monotonic() + SYNC_SECONDS
            self._unsynced += self._unwritten
            self._unwritten = []
        if time.monotonic() >= self._sync_at or self._closing.is_set():
            self._sync()

    def _sync(self) -> None:
        if not self._unsynced:
            return
        try:
            self._file.sync()
        except OSError:
            # The kernel forgets what it could not store, so it is written again.
            self._unwritten[:0] = self._unsynced
            self._unsynced = []
            self._file.close()
            raise
        self._metrics.written.inc(len(self._unsynced))
        self._done_bytes += sum(map(len, self._unsynced))
        self._done_records += len(self._unsynced)
        self._unsynced = []

    def _report_failure(self, error: OSError) -> None:
        self._metrics.failures.inc()
        self._failing = True
        now = time.monotonic()
        if now >= self._failure_reported_at + REPORT_SECONDS:
            self._failure_reported_at = now
            name = errno.errorcode.get(error.errno or 0, type(error).__qualname__)
            log.warning(
                "usage records cannot be written; they are kept and tried again",
                extra={"error": name},
            )

    def _report_success(self) -> None:
        if self._failing:
            self._failing = False
            log.info("usage records are written again")
