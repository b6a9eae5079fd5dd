"""Limits the number of concurrent calls of a method."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc


class OpenCalls:
    """Counts calls whose duration the caller determines, and rejects those over a limit.

    Args:
        max_open: The most concurrent calls.
        on_change: Called with the number of calls when it changes.
    """

    def __init__(self, max_open: int, on_change: Callable[[int], None]) -> None:
        self._max_open = max_open
        self._on_change = on_change
        self._open = 0

    @asynccontextmanager
    async def count(self, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncGenerator[None]:
        """Count a call for the duration of the block, or end it with RESOURCE_EXHAUSTED."""
        if self._open >= self._max_open:
            details = f"This server has {self._max_open} such calls open, which is its limit."
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        self._open += by
        self._on_change(self._open)
