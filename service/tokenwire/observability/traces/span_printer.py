"""Writes spans to stdout, one JSON object per line, without blocking on a slow reader."""

import io
import sys
from collections.abc import Callable
from typing import Final

from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from tokenwire.observability.logs.line_writer import LineWriter

FLUSH_SECONDS: Final = 1.0
"""How long shutdown waits for the queue to be written."""


class SpanPrinter(ConsoleSpanExporter):
    """The SDK's console exporter, with a bounded queue in front of stdout.

    Args:
        on_lost: Called from any thread with the number of spans that could not be written.
    """

    def __init__(self, on_lost: Callable[[int], None]) -> None:
        self._writer = LineWriter(sys.stdout, "spans", lambda _, spans: on_lost(spans))
        super().__init__(
            out=_QueueStream(self._writer),  # type: ignore[arg-type] # has each method that the SDK calls
            formatter=lambda span: f"{span.to_json(indent=None)}\n",
        )

    def shutdown(self) -> None:
        """Wait at most FLUSH_SECONDS for the queued spans to be written."""
        self._writer.flush(FLUSH_SECONDS)


class _QueueStream(io.TextIOBase):
    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def write(self, text: str, /) -> int:
        self._writer.put(text.encode())
        return len(text)
