"""Collects the status of a process."""

import time
from collections.abc import Callable
from typing import Final

from tokenwire import __version__
from tokenwire.api.chatgpt.catalog import Catalog
from tokenwire.config.gateway import GatewayFile
from tokenwire.core.callers import Callers
from tokenwire.core.limits import STREAMS, CallerLimits, Unit
from tokenwire.limits.limiter import Limiter
from tokenwire.observability.status import (
    CallerStatus,
    LimitStatus,
    ModelStatus,
    ProcessStatus,
    RouteStatus,
    UpstreamStatus,
)
from tokenwire.offer import Offer
from tokenwire.routing.breaker import BreakerState
from tokenwire.routing.gateway import Gateway
from tokenwire.routing.routes import Route

FULL: Final = "full"
NANODOLLARS: Final = 10**9


class StatusSource:
    """Collects the status of this process; any thread may ask for it.

    Args:
        offer: What the process offers.
        state: Returns `serving` or `not serving`.
        max_streams: The most answers at once.
        load: Returns the numbers of answers and of calls that wait for a slot.
        file_usable: Returns whether the current content of the gateway file is in use.
    """

    def __init__(
        self,
        offer: Offer,
        state: Callable[[], str],
        max_streams: int,
        load: Callable[[], tuple[int, int]],
        file_usable: Callable[[], bool],
    ) -> None:
        self._offer = offer
        self._state = state
        self._max_streams = max_streams
        self._load = load
        self._file_usable = file_usable
        self._started = time.monotonic()

    async def collect(self) -> list[ProcessStatus]:
        """Return the status."""
        gateway = self._offer.gateway
        streams, queued = self._load()
        return [
            ProcessStatus(
                __version__,
                None,
                time.monotonic() - self._started,
                self._state(),
                streams,
                self._max_streams,
                queued,
                self._file_usable() if gateway else None,
                _by_file(gateway.loaded.file, gateway.versions.current)
                if gateway
                else _by_settings(self._offer.catalog()),
                _upstreams(gateway.versions.current) if gateway else [],
                _store(gateway.limiter) if gateway else None,
                _callers(gateway.catalog.callers, gateway.limiter) if gateway else [],
            )
        ]


def _by_settings(catalog: Catalog) -> list[ModelStatus]:
    return [
        ModelStatus(name, [], serving=True, routes=[])
        for name in sorted(catalog.defaults.model_names)
    ]


def _by_file(file: GatewayFile, gateway: Gateway) -> list[ModelStatus]:
    return [
        ModelStatus(
            name,
            section.aliases,
            gateway.models[name].serving,
            [
                _route(gateway.routes[route.to], tier, share)
                for tier, share, route in section.shares
            ],
        )
        for name, section in file.models.items()
        # A reload may come between the file and what was built from it.
        if name in gateway.models
        and all(route.to in gateway.routes for _, _, route in section.shares)
    ]


def _route(route: Route, tier: int, share: float) -> RouteStatus:
    succeeded, failed = route.recent.totals()
    return RouteStatus(
        route.name, tier, share, _state(route), route.seconds_open, succeeded, failed
    )


def _state(route: Route) -> str:
    states = {key.breaker.state for key in route.keys}
    for state in (BreakerState.CLOSED, BreakerState.PROBING):
        if state in states:
            return FULL if route.upstream.full else state.value
    return BreakerState.OPEN.value


def _upstreams(gateway: Gateway) -> list[UpstreamStatus]:
    return [
        UpstreamStatus(name, each.in_flight, each.max_streams, len(each.clients))
        for name, each in gateway.upstreams.items()
    ]


def _store(limiter: Limiter) -> str | None:
    shared = limiter.shared
    if shared is None:
        return None
    return "away" if shared.away else "answers"


def _callers(callers: Callers | None, limiter: Limiter) -> list[CallerStatus]:
    return [
        CallerStatus(name, _limits(name, caller.limits, limiter))
        for name, caller in (callers.by_name if callers else {}).items()
        if caller.limits
    ]


def _limits(caller: str, limits: CallerLimits, limiter: Limiter) -> list[LimitStatus]:
    used = limiter.used(caller, limits)
    found = [] if limits.streams is None else [_limit(STREAMS, used[STREAMS], limits.streams)]
    for window in limits.windows:
        unit = NANODOLLARS if window.unit is Unit.DOLLARS else 1
        found.append(_limit(window.name, used[window.name], window.amount, unit))
    return found


def _limit(name: str, used: int, amount: int, unit: int = 1) -> LimitStatus:
    share = round(used / amount, 4)
    if unit == 1:
        return LimitStatus(name, used, amount, share)
    return LimitStatus(name, used / unit, amount / unit, share)
