"""Makes the usage record of each call that ends, and queues it."""

import itertools
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from tokenwire.core.call_record import CallRecord
from tokenwire.observability.metrics.usage import UsageMetrics
from tokenwire.observability.usage.record import usage_record
from tokenwire.observability.usage.writer import UsageWriter

REFUSED: Final = "UNAUTHENTICATED"
"""The status of calls of nobody known, which have used nothing and cannot be billed."""


class UsageRecorder:
    """Writes the usage records of calls to a file.

    Args:
        path: The file.
        metrics: Returns what counts the records.
    """

    def __init__(self, path: Path, metrics: Callable[[], UsageMetrics]) -> None:
        self._writer = UsageWriter(path, metrics())
        # Unique also among the workers and after a restart.
        self._process = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._encode = msgspec.json.Encoder().encode

    def observe(self, call: CallRecord) -> None:
        """Queue the record of a call that has ended, unless its credentials were refused."""
        if call.status == REFUSED:
            return
        record_id = f"{self._process}-{next(self._numbers)}"
        self._writer.put(self._encode(usage_record(call, record_id)) + b"\n")

    def start(self) -> None:
        """Open the file.

        Raises:
            SettingsError: It cannot be written.
        """
        self._writer.start()

    def stop(self) -> None:
        """Write what is queued; block for CLOSE_SECONDS at most."""
        self._writer.stop()
