"""Counts the limits of callers in Redis or Valkey."""

import hashlib
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from tokenwire.core.limits import CallerLimits, Unit
from tokenwire.limits.entries import BUCKETS, LIFETIME_SECONDS, NOTHING, LeaseEntry, LimitRefusal
from tokenwire.limits.memory import STREAMS
from tokenwire.limits.store import Batch, StoreError, StoreReply

SCRIPT: Final = files("tokenwire.limits").joinpath("apply.lua").read_text("utf-8")
SHA: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""Redis names scripts by this hash."""
MAX_CONNECTIONS: Final = 16
CONNECT_SECONDS: Final = 0.25
UNITS: Final = {Unit.REQUESTS: 1, Unit.TOKENS: 2, Unit.DOLLARS: 3}
NEVER: Final = -1


class RedisStore:
    """Counts in Redis; one script applies all entries of a caller at once.

    All keys of a caller have the same hash tag, so that a cluster has them in one place.

    Args:
        url: The URL of the server, with its password.
        clock: Returns the Unix time; None for the clock of the server.

    Attributes:
        requests: The number of requests to the server.
    """

    def __init__(self, url: str, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self.requests = 0
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=CONNECT_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            # The caller bounds the time and repeats what failed.
            retry=Retry(NoBackoff(), 0),
        )
        self._client = Redis(connection_pool=pool)

    async def apply(self, batches: Sequence[Batch]) -> list[StoreReply]:
        """Apply batches, all in one request; see `SharedStore`."""
        try:
            try:
                replies = await self._send(batches)
            except NoScriptError:
                # Entries that were applied already change nothing when they are repeated.
                await self._client.script_load(SCRIPT)
                replies = await self._send(batches)
        except (RedisError, OSError) as error:
            raise StoreError(type(error).__name__) from None
        return [_reply(batch, values) for batch, values in zip(batches, replies, strict=True)]

    async def _send(self, batches: Sequence[Batch]) -> list[list[int]]:
        self.requests += 1
        if not batches:
            await self._client.ping()
            return []
        pipeline = self._client.pipeline(transaction=False)
        for batch in batches:
            keys = _keys(batch.caller, batch.limits)
            pipeline.evalsha(SHA, len(keys), *keys, *self._arguments(batch))
        replies: list[list[int]] = await pipeline.execute()
        return replies

    def _arguments(self, batch: Batch) -> list[Any]:
        limits = batch.limits
        now = self._clock() if self._clock else None
        arguments: list[Any] = [
            "" if now is None else repr(now),
            LIFETIME_SECONDS,
            BUCKETS,
            -1 if limits.streams is None else limits.streams,
            len(limits.windows),
        ]
        for window in limits.windows:
            bounds = (0, 0) if window.seconds else window.bounds(now or time.time())
            arguments += [UNITS[window.unit], window.amount, window.seconds, *bounds]
        for entry in batch.entries:
            arguments += _entry_arguments(entry)
        return arguments

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose(close_connection_pool=True)


def _keys(caller: str, limits: CallerLimits) -> list[str]:
    prefix = f"tokenwire:{{{caller}}}:"
    names = ("leases", "expiries", "held", *(window.name for window in limits.windows))
    return [prefix + name for name in names]


def _entry_arguments(entry: LeaseEntry) -> list[Any]:
    return [
        int(entry.kind),
        entry.lease,
        entry.number,
        repr(entry.started),
        int(entry.known is not None),
        *(entry.known or NOTHING),
        *entry.totals,
        *entry.held,
    ]


def _reply(batch: Batch, values: Sequence[int]) -> StoreReply:
    names = [STREAMS, *(window.name for window in batch.limits.windows)]
    count = 2 * len(batch.entries)
    refusals = [
        _refusal(names, window, milliseconds)
        for window, milliseconds in zip(values[:count:2], values[1:count:2], strict=True)
    ]
    used = dict(zip(names, values[count:], strict=True))
    if batch.limits.streams is None:
        del used[STREAMS]
    return StoreReply(refusals, used)


def _refusal(names: Sequence[str], window: int, milliseconds: int) -> LimitRefusal | None:
    if not window:
        return None
    retry_after = None if milliseconds == NEVER else milliseconds / 1000
    return LimitRefusal(STREAMS if window == NEVER else names[window], retry_after)
