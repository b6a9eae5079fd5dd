"""Spans on stdout, a JSON object a line; who does not read it holds up nothing."""

import io
import sys
from collections.abc import Callable
from typing import Final

from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from tokenwire.observability.logs.line_writer import LineWriter

FLUSH_SECONDS: Final = 1.0


class SpanPrinter(ConsoleSpanExporter):
    """The SDK's console exporter, with a bounded queue before stdout.

    Args:
        on_lost: Told how many spans could not be written, by any thread.
    """

    def __init__(self, on_lost: Callable[[int], None]) -> None:
        self._writer = LineWriter(sys.stdout, "spans", lambda _, spans: on_lost(spans))
        super().__init__(
            out=_Queue(self._writer),  # type: ignore[arg-type] # it has all that is used
            formatter=lambda span: f"{span.to_json(indent=None)}\n",
        )

    def shutdown(self) -> None:
        """Wait a moment for what is queued."""
        self._writer.flush(FLUSH_SECONDS)


class _Queue(io.TextIOBase):
    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def write(self, text: str, /) -> int:
        self._writer.put(text.encode())
        return len(text)
