"""Routes: upstreams with their keys and breakers, and what is in flight to them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opentelemetry.trace import Span

from tokenwire.observability.metrics.labels import RouteResult
from tokenwire.observability.traces.route_span import RESULT
from tokenwire.routing.breaker import Breaker, BreakerState, Clock, OnChange, Pass
from tokenwire.routing.recent_results import RecentResults
from tokenwire.routing.tiers import Tier, Weighted
from tokenwire.upstreams import Models
from tokenwire.upstreams.progress_timer import Timeouts


class RouteChanges:
    """Tells when a route may have become free, or is not free any more.

    Attributes:
        waiting: The number of calls that wait.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self._event = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` at each change too."""
        self._listeners.append(listener)

    def notify(self) -> None:
        """Wake all calls that wait."""
        event, self._event = self._event, asyncio.Event()
        event.set()
        for listener in self._listeners:
            listener()

    def breaker_changed(self, breaker: Breaker, before: BreakerState) -> None:
        """Report the change of a breaker, now and when its open time is over."""
        del before
        if breaker.state is BreakerState.OPEN:
            asyncio.get_running_loop().call_later(breaker.seconds_open, self.notify)
        self.notify()

    async def wait(self, until: float) -> None:
        """Wait for the next change, or until a time on the event loop's clock."""
        self.waiting += 1
        try:
            async with asyncio.timeout_at(until):
                await self._event.wait()
        except TimeoutError:
            pass
        finally:
            self.waiting -= 1


@dataclass(slots=True, eq=False)
class KeyClient:
    """The connections to an upstream with one of its keys.

    Attributes:
        models: What the upstream offers.
        in_flight: The number of requests in flight.
    """

    models: Models
    in_flight: int = 0


@dataclass(slots=True, eq=False)
class RoutedUpstream:
    """An upstream.

    Attributes:
        name: Its name in the gateway file.
        clients: A client for each key; one if it has no key.
        timeouts: Its time limits.
        changes: Told when a place becomes free.
        max_streams: The most requests in flight; None for no limit.
        versions: The number of versions of the gateway file that have it and are in use.
    """

    name: str
    clients: Sequence[KeyClient]
    timeouts: Timeouts
    changes: RouteChanges
    max_streams: int | None = None
    versions: int = 0

    @property
    def in_flight(self) -> int:
        """The number of requests in flight."""
        return sum(client.in_flight for client in self.clients)

    @property
    def full(self) -> bool:
        """Whether it has no room for another request."""
        return self.max_streams is not None and self.in_flight >= self.max_streams

    async def aclose(self) -> None:
        """Close the connections of all clients."""
        for client in self.clients:
            await client.models.chat.aclose()


class RoutedKey:
    """One key of a route, with its breaker.

    Args:
        client: The client of the key.
        clock: See `Breaker`.
        on_change: See `Breaker`.
    """

    def __init__(self, client: KeyClient, clock: Clock, on_change: OnChange | None) -> None:
        self.client = client
        self.breaker = Breaker(clock, on_change)


class Route:
    """An upstream's model.

    Args:
        upstream: The upstream.
        model: The model, as the upstream names it.
        clock: See `Breaker`.
        on_change: See `Breaker`.

    Attributes:
        upstream: See above.
        model: See above.
        keys: A breaker for each key.
        recent: The results of the last minutes.
        on_result: Called with the result of each request that has ended.
        on_fallback: Called when a call moves on because this route failed.
        on_hedge: Called when this route is asked because another one is slow.
    """

    def __init__(
        self,
        upstream: RoutedUpstream,
        model: str,
        clock: Clock,
        on_change: OnChange | None = None,
    ) -> None:
        self.upstream = upstream
        self.model = model
        self.on_result: Callable[[RouteResult], None] = lambda _: None
        self.on_fallback: Callable[[], None] = lambda: None
        self.on_hedge: Callable[[], None] = lambda: None
        self.recent = RecentResults(clock)
        self.keys = [RoutedKey(client, clock, on_change) for client in upstream.clients]
        self._turns = Tier([Weighted(key) for key in self.keys], lambda key: key.client.in_flight)

    @property
    def name(self) -> str:
        """UPSTREAM/MODEL, as in the gateway file."""
        return f"{self.upstream.name}/{self.model}"

    @property
    def serving(self) -> bool:
        """Whether a request may pass with one of the keys, or is the probe of one."""
        return any(key.breaker.passes for key in self.keys)

    @property
    def seconds_open(self) -> float:
        """The seconds until a request may pass; 0 if one may pass now, or a probe is running."""
        return min(key.breaker.seconds_open for key in self.keys)

    def may_take(self, allowed: Callable[[RoutedKey], bool]) -> bool:
        """Report whether a request may pass with one of the allowed keys."""
        return not self.upstream.full and any(
            allowed(key) and key.breaker.passes for key in self.keys
        )

    def take(self, allowed: Callable[[RoutedKey], bool]) -> "Lease | None":
        """Take a place for a request, or return None."""
        if self.upstream.max_streams is not None and self.upstream.full:
            return None
        if len(self.keys) == 1:
            key = self.keys[0] if allowed(self.keys[0]) else None
        else:
            key = self._turns.pick(lambda each: allowed(each) and each.breaker.passes)
        admitted = key and key.breaker.admit()
        return Lease(self, key, admitted) if key and admitted else None


class Lease:
    """A request's place at an upstream.

    Use it as a context manager for the time of the request. Without an outcome, the request says
    nothing of the upstream.

    Attributes:
        route: The route.
        key: The key.
        span: The span of the request; None if the call is not sampled.
    """

    def __init__(self, route: Route, key: RoutedKey, admitted: Pass) -> None:
        self.route = route
        self.key = key
        self._pass = admitted
        self._result = RouteResult.OTHER
        self.span: Span | None = None

    def __enter__(self) -> None:
        self.key.client.in_flight += 1

    def __exit__(self, *_: object) -> None:
        upstream = self.route.upstream
        was_full = upstream.max_streams is not None and upstream.full
        self.key.client.in_flight -= 1
        if was_full:
            upstream.changes.notify()
        if self._result is RouteResult.OTHER:
            self._pass.release()
        self.route.on_result(self._result)
        self.route.recent.add(self._result)
        if self.span:
            self.span.set_attribute(RESULT, self._result.value)
            self.span.end()

    @property
    def models(self) -> Models:
        """What the upstream offers with this key."""
        return self.key.client.models

    @property
    def breaker_is_open(self) -> bool:
        """Whether the breaker lets no further request through."""
        return self.key.breaker.state is not BreakerState.CLOSED

    def succeed(self) -> None:
        """Record that the answer has begun."""
        self._result = RouteResult.OK
        self._pass.succeed()

    def fail(self, retry_after: float | None, *, at_once: bool) -> None:
        """Record a failure that the upstream caused; see `Pass.fail`. Only the first one counts."""
        if self._result is RouteResult.ERROR:
            return
        self._result = RouteResult.ERROR
        self._pass.fail(retry_after, at_once=at_once)
