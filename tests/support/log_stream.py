"""What the service logs, read while it runs."""

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
    """Stands in for stderr, in the loop that runs the test."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()

    def write(self, text: str, /) -> int:
        self._loop.call_soon_threadsafe(self._more.set)
        return super().write(text)

    def getvalue(self) -> str:
        """Return all that was logged so far, also what is on its way."""
        for handler in logging.getLogger().handlers:
            handler.flush()
        return super().getvalue()

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Every line so far; each must be a JSON object."""
        return [json.loads(line) for line in self.getvalue().splitlines()]

    async def text_with(self, words: str) -> str:
        """Return everything that was logged, once `words` are part of it."""
        while words not in self.getvalue():
            self._more.clear()
            await self._more.wait()
        return self.getvalue()

    async def entry(self, event: str) -> dict[str, Any]:
        """Return the only line of this event, once it is there."""
        await self.text_with(f'"event": "{event}"')
        [entry] = [entry for entry in self.entries if entry["event"] == event]
        return entry


@contextmanager
def captured(log_level: str = "info", log_format: str = "json") -> Iterator[LogStream]:
    """Log as `tokenwire serve` does, but into the stream; afterwards as before."""
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
