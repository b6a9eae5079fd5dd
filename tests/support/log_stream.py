"""The log of the service, read while the service runs."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from tokenwire import config
from tokenwire.observability import logs


class LogStream(io.StringIO):
    """A replacement for stderr in the event loop of the test."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()

    def write(self, text: str, /) -> int:
        self._loop.call_soon_threadsafe(self._more.set)
        return super().write(text)

    def getvalue(self) -> str:
        """Return everything logged so far, including entries that are still queued."""
        for handler in logging.getLogger().handlers:
            handler.flush()
        return super().getvalue()

    @property
    def entries(self) -> list[dict[str, Any]]:
        """All log entries so far; each line must be a JSON object."""
        return [json.loads(line) for line in self.getvalue().splitlines()]

    async def text_with(self, words: str) -> str:
        """Wait until the log contains `words` and return the whole log."""
        while words not in self.getvalue():
            self._more.clear()
            await self._more.wait()
        return self.getvalue()

    async def entry(self, event: str) -> dict[str, Any]:
        """Wait for the only log entry of this event and return it."""
        await self.text_with(f'"event": "{event}"')
        [entry] = [entry for entry in self.entries if entry["event"] == event]
        return entry


@contextmanager
def captured(log_level: str = "info", log_format: str = "json") -> Iterator[LogStream]:
    """Log to the stream as `tokenwire serve` logs to stderr; restore the handlers afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("tokenwire")
    handlers, levels = root.handlers, (root.level, ours.level)
    loaded = config.load(
        base_url="http://127.0.0.1:1/v1", log_level=log_level, log_format=log_format
    )
    stream = LogStream()
    try:
        with mock.patch.object(sys, "stderr", stream):
            logs.configure(loaded)
            yield stream
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.flush()
                handler.close()
        root.handlers = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
