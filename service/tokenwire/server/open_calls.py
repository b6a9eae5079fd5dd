"""Bounds the calls of one kind that are open at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc


class OpenCalls:
    """Counts calls that last as long as the caller likes, and rejects those over a limit.

    Args:
        most: The most calls open at once.
        on_change: Told their number when it changes.
    """

    def __init__(self, most: int, on_change: Callable[[int], None]) -> None:
        self._most = most
        self._on_change = on_change
        self._open = 0

    @asynccontextmanager
    async def one_more(self, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncGenerator[None]:
        """Count a call within the block, or end it with RESOURCE_EXHAUSTED."""
        if self._open >= self._most:
            details = f"This server has {self._most} such calls open, which is its limit."
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        self._open += by
        self._on_change(self._open)
