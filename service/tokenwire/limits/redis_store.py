"""Counts the limits of callers in Redis or Valkey."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ReadOnlyError, RedisClusterException, RedisError

from tokenwire.core.limits import STREAMS, CallerLimits, Unit, Window
from tokenwire.limits.entries import BUCKETS, LIFETIME_SECONDS, NOTHING, LeaseEntry, LimitRefusal
from tokenwire.limits.redis_client import close, connect
from tokenwire.limits.redis_failures import cause_of
from tokenwire.limits.store import Batch, StoreError, StoreReply

SCRIPT: Final = files("tokenwire.limits").joinpath("apply.lua").read_text("utf-8")
SHA: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""Redis names scripts by this hash."""
PROBE_KEY: Final = "tokenwire:probe"
PROBE_SECONDS: Final = 60
UNITS: Final = {Unit.REQUESTS: 1, Unit.TOKENS: 2, Unit.DOLLARS: 3}
NEVER: Final = -1
FAILURES: Final = (
    *(RedisError, RedisClusterException, OSError),
    # What is no reply of Redis, or of the script, fails where it is read.
    *(ValueError, TypeError, LookupError),
)


class RedisStore:
    """Counts in Redis; one script applies all entries of a caller at once.

    All keys of a caller have the same hash tag, so that a cluster has them in one place.

    Args:
        url: The URL of the store, with its password; see `redis_client.connect`.
        clock: Returns the Unix time; None for the clock of the server.
    """

    def __init__(self, url: str, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._client = connect(url)

    async def apply(self, batches: Sequence[Batch]) -> list[StoreReply]:
        """Apply batches, all in one request; see `SharedStore`."""
        try:
            try:
                replies = await self._send(batches)
            except NoScriptError:
                # Entries that were applied already change nothing when they are repeated.
                await self._client.script_load(SCRIPT)
                replies = await self._send(batches)
            return [_reply(batch, values) for batch, values in zip(batches, replies, strict=True)]
        except FAILURES as error:
            if isinstance(error, ReadOnlyError) and isinstance(self._client, Redis):
                # The server is a replica now. A name or a service may lead to the new primary.
                await self._client.connection_pool.disconnect()
            raise StoreError(cause_of(error)) from None

    async def _send(self, batches: Sequence[Batch]) -> list[list[int]]:
        client = self._client
        if not batches:
            # A server that only reads, or whose memory is full, is away as well.
            await client.set(PROBE_KEY, 1, ex=PROBE_SECONDS)
            return []
        calls = [
            (len(keys), *keys, *self._arguments(batch))
            for batch in batches
            for keys in [_keys(batch.caller, batch.limits)]
        ]
        if isinstance(client, Redis):
            pipeline = client.pipeline(transaction=False)
            for call in calls:
                pipeline.evalsha(SHA, *call)
            replies: list[list[int]] = await pipeline.execute()
        else:
            # The callers of a cluster are at several servers.
            replies = await asyncio.gather(*(client.evalsha(SHA, *call) for call in calls))
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
            bounds = (0, 0, 0, 0) if window.seconds else _bounds(window, now or time.time())
            arguments += [UNITS[window.unit], window.amount, window.seconds, *bounds]
        for entry in batch.entries:
            arguments += _entry_arguments(entry)
        return arguments

    async def aclose(self) -> None:
        """Close the connections."""
        await close(self._client)


def _keys(caller: str, limits: CallerLimits) -> list[str]:
    prefix = f"tokenwire:{{{caller}}}:"
    names = ("leases", "expiries", "held", *(window.name for window in limits.windows))
    return [prefix + name for name in names]


def _bounds(window: Window, now: float) -> tuple[int, int, int, int]:
    """Return the begins of the previous, the current and the next period, and the end of that.

    The script chooses by the clock of the store, because those of the servers may differ.
    """
    begin, end = window.bounds(now)
    return window.bounds(begin - 1)[0], begin, end, window.bounds(end)[1]


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
