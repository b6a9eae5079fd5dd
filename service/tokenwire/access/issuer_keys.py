"""Keeps the public keys of a token issuer."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tokenwire.access.key_fetch import KeyFetchError, fetch_keys
from tokenwire.config.gateway.issuer_files import LoadedIssuer
from tokenwire.core.errors import CredentialsInvalid, IssuerUnavailable
from tokenwire.core.public_keys import PublicKeys
from tokenwire.observability.metrics.labels import IssuerFetchResult

if TYPE_CHECKING:
    from tokenwire.core.signatures import Key

log = logging.getLogger(__name__)

MIN_SECONDS: Final = 30.0
"""The least time between the starts of two fetches, whatever callers send."""
REFRESH_SECONDS: Final = 300.0
"""The age of keys from which they are fetched again, so that a removed key is not accepted for
longer."""
JITTER: Final = 0.1
WAIT_SECONDS: Final = 5.0
"""How long a call waits for keys."""
MAX_WAITING: Final = 1_000
"""The most calls that wait for the keys of an issuer at once."""


class IssuerKeys:
    """The keys of an issuer, which are fetched in the background and used while they are stale.

    Args:
        name: The issuer's name in the gateway file.
        loaded: What the file says of it.
        on_fetch: Called with the result of each fetch.

    Attributes:
        loaded: What the file says of it.
        keys: The keys; None before the first ones.
        fetched_at: When they were fetched, or fetched again without a change, in Unix seconds;
            None before the first ones.
    """

    def __init__(
        self,
        name: str,
        loaded: LoadedIssuer,
        on_fetch: Callable[[IssuerFetchResult], None],
    ) -> None:
        self._name = name
        self.loaded = loaded
        self._on_fetch = on_fetch
        self.keys: PublicKeys | None = loaded.keys
        self.fetched_at: float | None = None
        self._result: IssuerFetchResult | None = None
        """The result of the last fetch."""
        self._fetch: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        """The time of the event loop from which the next fetch may begin."""
        self._waiting = 0
        self._stopped = loaded.keys is not None

    def start(self) -> None:
        """Start to fetch the keys, if they are not in a file."""
        self._begin()

    async def stop(self) -> None:
        """Stop; calls that wait for the keys wait no longer."""
        self._stopped = True
        if self._timer:
            self._timer.cancel()
        if self._fetch:
            self._fetch.cancel()
            await asyncio.wait((self._fetch,))

    async def key_of(self, name: str | None, algorithm: str) -> "Key":
        """Return the key for a token, which may be fetched first.

        Args:
            name: See `PublicKeys.find`.
            algorithm: See `PublicKeys.find`.

        Raises:
            CredentialsInvalid: The issuer has no such key.
            IssuerUnavailable: Its keys cannot be fetched, so this is not known.
        """
        if self.keys is None or not self.keys.knows(name, algorithm):
            await self._wait()
        keys = self.keys
        key = keys.find(name, algorithm) if keys else None
        if key is not None:
            return key
        is_static = self.loaded.keys is not None
        if keys is not None and (
            is_static or keys.knows(name, algorithm) or self._result is IssuerFetchResult.OK
        ):
            raise CredentialsInvalid
        wait = self._not_before - asyncio.get_running_loop().time()
        raise IssuerUnavailable(retry_after=max(1.0, wait))

    async def _wait(self) -> None:
        """Wait for the fetch that runs, or for one that may begin now."""
        fetch = self._begin()
        if fetch is None or self._waiting >= MAX_WAITING:
            return
        self._waiting += 1
        try:
            # Unlike wait_for, this does not cancel the fetch if this call ends.
            await asyncio.wait((fetch,), timeout=WAIT_SECONDS)
        finally:
            self._waiting -= 1

    def _begin(self) -> asyncio.Task[None] | None:
        """Return the fetch that runs, or begin one; None if none may begin yet."""
        if self._stopped:
            return None
        if self._fetch and not self._fetch.done():
            return self._fetch
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            # Nobody waits for it, but later calls find a key that is new.
            self._schedule(self._not_before - loop.time())
            return None
        self._not_before = loop.time() + MIN_SECONDS
        self._fetch = loop.create_task(self._run())
        return self._fetch

    async def _run(self) -> None:
        try:
            self._use(await fetch_keys(self.loaded))
            result = IssuerFetchResult.OK
        except KeyFetchError as error:
            result = error.result
        except Exception:
            log.exception("keys of a token issuer could not be fetched")
            result = IssuerFetchResult.INVALID
        self._on_fetch(result)
        if result is not self._result:
            self._log(result)
        self._result = result
        if result is IssuerFetchResult.OK:
            self._schedule(REFRESH_SECONDS * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311
        else:
            self._schedule(MIN_SECONDS)

    def _use(self, keys: PublicKeys) -> None:
        self.fetched_at = time.time()
        if keys == self.keys:
            # The same object stays, and with it the tokens that were verified with it.
            return
        if self.keys is not None:
            log.info(
                "keys of a token issuer have changed",
                extra={"issuer": self._name, "keys": len(keys)},
            )
        self.keys = keys

    def _log(self, result: IssuerFetchResult) -> None:
        extra = {"issuer": self._name, "cause": result.value}
        if result is IssuerFetchResult.OK:
            number = len(self.keys) if self.keys else 0
            log.info("keys of a token issuer fetched", extra={"issuer": self._name, "keys": number})
        elif self.keys is None:
            log.error(
                "keys of a token issuer cannot be fetched; its tokens are not accepted", extra=extra
            )
        else:
            log.warning(
                "keys of a token issuer cannot be fetched; the known ones stay in use", extra=extra
            )

    def _schedule(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        # At least as late as the next fetch may begin, or it would be put off again.
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(max(loop.time() + seconds, self._not_before), self._begin)
