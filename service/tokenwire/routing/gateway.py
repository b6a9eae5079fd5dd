"""The models of a gateway file, and the versions of the file that are in use."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tokenwire.core import errors
from tokenwire.routing.routes import Lease, Route, RouteChanges, RoutedKey, RoutedUpstream
from tokenwire.routing.tiers import Tier
from tokenwire.upstreams.progress_timer import Timeouts


@dataclass(slots=True, eq=False)
class RoutedModel:
    """A model that callers name.

    Attributes:
        name: The name.
        tiers: The tiers, in the order in which they are tried.
        routes: The routes of all tiers.
        abilities: What it can do; None if unknown.
        first_token_seconds: Its own timeout for the first token; None for the upstream's.
        idle_seconds: Its own timeout for the next token; None for the upstream's.
        hedge_seconds: How long the first route has to speak before a second one is asked too; None
            for as long as it takes.
        changes: Told when a breaker has changed or a place has become free.
    """

    name: str
    tiers: Sequence[Tier[Route]]
    routes: Sequence[Route]
    changes: RouteChanges
    abilities: frozenset[str] | None = None
    first_token_seconds: float | None = None
    idle_seconds: float | None = None
    hedge_seconds: float | None = None

    @property
    def serving(self) -> bool:
        """Whether one of the routes lets requests through."""
        return any(route.serving for route in self.routes)

    def may_take(self, allowed: Callable[[RoutedKey], bool]) -> bool:
        """Report whether `take` would find a place."""
        return any(route.may_take(allowed) for route in self.routes)

    def take(self, allowed: Callable[[RoutedKey], bool]) -> Lease | None:
        """Take a place on the first route that has one for an allowed key, or return None."""
        if len(self.routes) == 1:
            return self.routes[0].take(allowed)

        def may_take(route: Route) -> bool:
            return route.may_take(allowed)

        for tier in self.tiers:
            route = tier.pick(may_take)
            lease = route and route.take(allowed)
            if lease:
                return lease
        return None

    def timeouts(self, route: Route) -> Timeouts:
        """Return the time limits of a request on a route."""
        if self.first_token_seconds is None and self.idle_seconds is None:
            return route.upstream.timeouts
        upstream = route.upstream.timeouts
        return Timeouts(
            first_token=self.first_token_seconds or upstream.first_token,
            idle=self.idle_seconds or upstream.idle,
        )


@dataclass(slots=True, eq=False)
class Gateway:
    """One version of the gateway file.

    Attributes:
        models: The models, by their names and aliases.
        upstreams: The upstreams, by name.
        routes: The routes of all models, by name.
        changes: Told of each change of a route.
        calls: The number of calls that use this version.
    """

    models: Mapping[str, RoutedModel]
    upstreams: Mapping[str, RoutedUpstream]
    routes: Mapping[str, Route]
    changes: RouteChanges
    calls: int = 0

    def model(self, name: str) -> RoutedModel:
        """Return a model by its name or alias.

        Raises:
            UnknownModel: There is none. Requests are validated before; it was removed since.
        """
        if name not in self.models:
            raise errors.UnknownModel
        return self.models[name]


class GatewayUse:
    """The use of a version by a call."""

    __slots__ = ("_gateway", "_versions")

    def __init__(self, versions: "GatewayVersions", gateway: Gateway) -> None:
        self._versions = versions
        self._gateway = gateway

    def __enter__(self) -> Gateway:
        self._gateway.calls += 1
        return self._gateway

    def __exit__(self, *_: object) -> None:
        self._versions.ended(self._gateway)


class GatewayVersions:
    """The current version of the gateway file, and previous ones as long as calls use them.

    Versions share the upstreams that did not change. The connections of an upstream are closed when
    the last version that has it is not in use any more.

    Args:
        first: The version of the start.

    Attributes:
        current: The version for new calls.
    """

    def __init__(self, first: Gateway) -> None:
        self.current = first
        self._in_use: set[Gateway] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._add(first)

    @property
    def in_use(self) -> int:
        """The number of versions in use."""
        return len(self._in_use)

    def use(self) -> "GatewayUse":
        """Return a context manager that keeps the current version for the time of a call."""
        return GatewayUse(self, self.current)

    def ended(self, gateway: Gateway) -> None:
        """Record the end of a call that used a version."""
        gateway.calls -= 1
        if gateway is not self.current:
            self._remove_unused(gateway)

    def replace(self, gateway: Gateway) -> None:
        """Make another version the current one."""
        before, self.current = self.current, gateway
        self._add(gateway)
        self._remove_unused(before)

    async def aclose(self) -> None:
        """Close all connections."""
        for gateway in tuple(self._in_use):
            for upstream in gateway.upstreams.values():
                await upstream.aclose()
        if self._closing:
            await asyncio.wait(self._closing)

    def _add(self, gateway: Gateway) -> None:
        self._in_use.add(gateway)
        for upstream in gateway.upstreams.values():
            upstream.versions += 1

    def _remove_unused(self, gateway: Gateway) -> None:
        if gateway.calls or gateway is self.current:
            return
        self._in_use.discard(gateway)
        for upstream in gateway.upstreams.values():
            upstream.versions -= 1
            if not upstream.versions:
                closing = asyncio.create_task(upstream.aclose())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
