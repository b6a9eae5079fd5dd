"""The routes that one call tries, within its deadline and the budget."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from opentelemetry.trace import Span, StatusCode

from tokenwire.core import errors
from tokenwire.core.attempts import Attempts
from tokenwire.core.call_record import CallRecord
from tokenwire.routing.budget import RetryBudget
from tokenwire.routing.gateway import RoutedModel
from tokenwire.routing.retry import retry_delay
from tokenwire.routing.routes import Lease, RoutedKey

MOVES_ON: Final = (
    errors.UpstreamAuthRejected,
    errors.UpstreamConflict,
    errors.UpstreamIdleTimeout,
    errors.UpstreamModelNotFound,
    errors.UpstreamProtocolError,
    errors.UpstreamQuotaExhausted,
    errors.UpstreamRateLimited,
    errors.UpstreamStreamBroken,
    errors.UpstreamTimeout,
    errors.UpstreamTruncated,
    errors.UpstreamUnreachable,
)
"""Failures before the answer after which another route may answer, besides UpstreamError itself."""
OF_THE_KEY: Final = (
    errors.UpstreamAuthRejected,
    errors.UpstreamQuotaExhausted,
    errors.UpstreamRateLimited,
)
"""Those after which another key of the same upstream may answer."""
OPENS_AT_ONCE: Final = (errors.UpstreamAuthRejected, errors.UpstreamQuotaExhausted)
"""Failures after which a key rests, whatever came before."""
SHARE_OF_DEADLINE: Final = 0.5
"""The share of the time left that a route may take for the first token if another route is left."""


StartSpan: TypeAlias = Callable[[Attempts, str], Span | None]
"""Starts the span of a request on a route, by its name; see `RouteSpans.start`."""


def no_span(attempts: Attempts, route: str) -> None:
    """Start no span."""
    del attempts, route


def moves_on(failure: errors.ServiceError) -> bool:
    """Report whether another route may answer after a failure before the answer."""
    return isinstance(failure, MOVES_ON) or type(failure) is errors.UpstreamError


class CallRoutes:
    """Chooses the routes of one call, one after the other.

    Args:
        model: The model that the caller named.
        call: The record of the call, whose `attempts.started` is set.
        budget: Pays for the requests after the first.
        start_span: Starts the span of a request on a route, by its name.

    Attributes:
        lease: The place of the latest request, or of the one that answers.
    """

    def __init__(
        self,
        model: RoutedModel,
        call: CallRecord,
        budget: RetryBudget,
        start_span: StartSpan = no_span,
    ) -> None:
        self._model = model
        self._call = call
        self._budget = budget
        self._start_span = start_span
        self._loop = asyncio.get_running_loop()
        self._tried: set[RoutedKey] = set()
        self._repeated = False
        self.lease: Lease
        budget.deposit()

    async def first(self) -> Lease:
        """Return the place of the first request; wait for one if all routes are open or full.

        Raises:
            ServiceError: None becomes free in time.
        """
        while True:
            lease = self._model.take(lambda _: True)
            if lease:
                return self._taken(lease)
            limit = self._first_token_by()
            seconds = min(route.seconds_open for route in self._model.routes)
            if self._loop.time() + seconds >= limit:
                raise errors.UpstreamError(retry_after=seconds or None)
            # A probe and a full upstream have no time of their own: their end wakes this call.
            await self._model.changes.wait(self._loop.time() + seconds if seconds else limit)

    def failed(self, lease: Lease, failure: errors.ServiceError) -> None:
        """Record a failure, unless the caller or this service caused it.

        Args:
            lease: The place of the request that failed.
            failure: The failure.
        """
        keys = [lease.key] if isinstance(failure, OF_THE_KEY) else lease.route.keys
        self._tried.update(keys)
        if lease.span:
            lease.span.set_attribute("error.type", failure.reason)
            lease.span.set_status(StatusCode.ERROR, failure.reason)
        if not isinstance(failure, errors.UpstreamError) or failure.blame == "caller":
            return
        if isinstance(failure, errors.UpstreamRejectedRequest):
            return
        wishes = failure.retry_after
        lease.fail(wishes, at_once=bool(wishes) or isinstance(failure, OPENS_AT_ONCE))

    def hedge(self) -> Lease | None:
        """Return the place of a request beside the one that is running, if the budget pays for it.

        It is on another route, which was not tried before.
        """
        running = self.lease.route

        def allowed(key: RoutedKey) -> bool:
            return self._untried(key) and key not in running.keys

        if not self._model.may_take(allowed) or not self._budget.withdraw():
            return None
        found = self._model.take(allowed)
        assert found  # noqa: S101 - nothing ran since it was free
        found.route.on_hedge()
        self._prepare(found)
        return found

    async def after(self, failure: errors.ServiceError) -> Lease:
        """Return the place of the request that follows the latest one, which has failed.

        Args:
            failure: The failure, for which `moves_on` holds, and which is recorded.

        Raises:
            ServiceError: There is none in time, or the budget does not pay for it: the failure.
        """
        lease = self.lease
        if self._loop.time() >= self._end():
            raise failure
        if not self._model.may_take(self._untried):
            return await self._repeat(failure)
        # A breaker that this failure has opened bounds by itself how often this happens.
        if not lease.breaker_is_open and not self._budget.withdraw():
            raise failure
        found = self._model.take(self._untried)
        assert found  # noqa: S101 - nothing ran since it was free
        lease.route.on_fallback()
        self._call.attempts.add_retry(failure.reason, 0.0)
        return self._taken(found)

    async def _repeat(self, failure: errors.ServiceError) -> Lease:
        """Return a place on a route that was tried before, after a pause; once per call."""
        delay = retry_delay(failure)
        if (
            delay is None
            or self._repeated
            or self._loop.time() + delay >= self._first_token_by()
            or not self._model.may_take(lambda _: True)
            or not self._budget.withdraw()
        ):
            raise failure
        self._repeated = True
        self._call.attempts.add_retry(failure.reason, delay)
        await asyncio.sleep(delay)
        lease = self._model.take(lambda _: True)
        if lease is None:
            raise failure
        return self._taken(lease)

    def _untried(self, key: RoutedKey) -> bool:
        return key not in self._tried

    def _end(self) -> float:
        """Return when the call ends."""
        return min(self._call.deadline.end, self._call.callers_deadline)

    def _first_token_by(self) -> float:
        """Return when the first token of a call with a single route must have come."""
        seconds = max(self._model.timeouts(route).first_token for route in self._model.routes)
        return min(self._call.attempts.started + seconds, self._end())

    def _taken(self, lease: Lease) -> Lease:
        """Prepare the next request of the call, and return its place."""
        self._prepare(lease)
        self.lease = lease
        return lease

    def _prepare(self, lease: Lease) -> None:
        """Set the time limits of the request, and its upstream in the record."""
        attempts = self._call.attempts
        timeouts = self._model.timeouts(lease.route)
        now = self._loop.time()
        first_token_by = now + timeouts.first_token
        if self._has_another(lease):
            first_token_by = min(first_token_by, now + (self._end() - now) * SHARE_OF_DEADLINE)
        attempts.first_token_by = first_token_by
        attempts.idle_seconds = timeouts.idle
        attempts.upstream = lease.route.upstream.name
        lease.span = self._start_span(attempts, lease.route.name)

    def _has_another(self, lease: Lease) -> bool:
        routes = self._model.routes
        return len(routes) > 1 and any(
            route is not lease.route and route.may_take(self._untried) for route in routes
        )
