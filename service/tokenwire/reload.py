"""Reloads the gateway file while the server runs."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from tokenwire.config import SettingsError
from tokenwire.config.gateway import LoadedGateway
from tokenwire.config.gateway.changes import FileChanges
from tokenwire.limits.limiter import Limiter
from tokenwire.limits.store import StoreError
from tokenwire.observability.metrics import Metrics
from tokenwire.observability.metrics.labels import ReloadResult
from tokenwire.observability.metrics.limit_store import LimitStoreMetrics
from tokenwire.observability.metrics.routes import RouteMetrics
from tokenwire.offer import GatewayOffer
from tokenwire.routing.gateway import Gateway
from tokenwire.routing.routes import Route
from tokenwire.server.health import HealthServicer
from tokenwire.upstreams.build import import_packages

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 2.0
"""The interval at which the files are compared. Events of the file system do not tell of every
change: volumes of networks have none, and the kubelet replaces links above a file."""
MAX_LOGGED_NAMES: Final = 20


class GatewayReloader:
    """Replaces what a gateway file offers when the file, or one that it names, changes.

    A content that cannot be used changes nothing.

    Args:
        offer: What the file offers.
        metrics: Counts the reloads.
        on_replaced: Called after each replacement.

    Attributes:
        usable: Whether the current content of the file is in use.
    """

    def __init__(
        self, offer: GatewayOffer, metrics: RouteMetrics, on_replaced: Callable[[], None]
    ) -> None:
        self._offer = offer
        self._metrics = metrics
        self._on_replaced = on_replaced
        self._changes = FileChanges(offer.loaded)
        self.usable = True
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to compare the files."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop."""
        if self._task:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def check_now(self) -> None:
        """Read the files now, and log if nothing has changed."""
        self._asked.set()

    async def _run(self) -> None:
        while True:
            # Not by wait_for, which drops a cancellation at the moment of the event (Python 3.11).
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._asked.wait()
            asked = self._asked.is_set()
            self._asked.clear()
            try:
                # In a thread, because a file system can block, and parsing takes time.
                loaded = await asyncio.to_thread(self._changes.changed, at_once=asked)
                if loaded:
                    sections = loaded.file.upstreams.values()
                    # In a thread too, because the first upstream of a provider imports its package.
                    await asyncio.to_thread(import_packages, [each.provider for each in sections])
                    self._replace(loaded)
                elif asked:
                    log.info("gateway file has not changed")
            except SettingsError as error:
                self._refuse(error.problems)
            except Exception:
                log.exception("the gateway file could not be reloaded")

    def _replace(self, loaded: LoadedGateway) -> None:
        before = self._offer.loaded.file.models
        self._offer.replace(loaded)
        self._on_replaced()
        self._metrics.count_reload(ReloadResult.OK)
        self.usable = True
        after = loaded.file.models
        log.info(
            "gateway file reloaded",
            extra={
                "upstreams": len(loaded.file.upstreams),
                "models": len(after),
                "models_added": _some(after.keys() - before.keys()),
                "models_removed": _some(before.keys() - after.keys()),
            },
        )

    def _refuse(self, problems: list[str]) -> None:
        self._metrics.count_reload(ReloadResult.ERROR)
        self.usable = False
        log.error(
            "gateway file cannot be used; its previous content stays in use",
            extra={"problems": problems},
        )


def reloader(offer: GatewayOffer, metrics: Metrics, health: HealthServicer) -> GatewayReloader:
    """Return what reloads a gateway file, and export what the file offers at every time.

    Args:
        offer: What the file offers.
        metrics: Export the models, upstreams and routes.
        health: Serves the health of the models.
    """
    changes = offer.versions.current.changes
    changes.listen(health.refresh)
    route_metrics = metrics.with_routes()
    caller_metrics = metrics.with_callers()
    issuer_metrics = metrics.with_issuers()
    offer.issuers.on_fetch = issuer_metrics.count_fetch
    limit_metrics, store_metrics = metrics.with_limits(), metrics.with_limit_store()
    limit_metrics.watch(lambda: offer.limiter.running)
    _watch_store(offer.limiter, store_metrics)
    route_metrics.watch(lambda: changes.waiting, lambda: offer.versions.in_use)

    def export() -> None:
        catalog = offer.catalog
        metrics.calls.set_models(catalog.defaults.model_names, catalog.prices)
        caller_metrics.set_callers({*catalog.callers.by_name} if catalog.callers else set())
        limit_metrics.set_callers(offer.caller_limits, offer.limiter.used)
        store_metrics.export(wanted=offer.loaded.store_url is not None)
        issuer_metrics.set_issuers(
            {name: partial(getattr, each, "fetched_at") for name, each in offer.issuers.fetched()}
        )
        health.set_models({name: facts.serving for name, facts in catalog.facts.items()})
        _export_routes(offer.versions.current, route_metrics)

    export()
    return GatewayReloader(offer, route_metrics, export)


def _watch_store(limiter: Limiter, metrics: LimitStoreMetrics) -> None:
    def count_answer(seconds: float, failure: StoreError | None) -> None:
        metrics.observe(seconds, failure.cause if failure else None)

    limiter.on_answer = count_answer
    limiter.on_lost = metrics.count_lost
    metrics.watch(
        lambda: not (limiter.shared and limiter.shared.away),
        lambda: limiter.shared.unsent if limiter.shared else 0,
        lambda: limiter.shared.beginning if limiter.shared else 0,
    )


def _export_routes(gateway: Gateway, metrics: RouteMetrics) -> None:
    # By the models' own names, because `gateway.models` has their aliases too.
    models = {each.name: each for each in gateway.models.values()}
    metrics.set_models({name: partial(getattr, each, "serving") for name, each in models.items()})
    metrics.set_upstreams(
        {name: partial(getattr, each, "in_flight") for name, each in gateway.upstreams.items()}
    )
    metrics.set_routes({name: _is_open(route) for name, route in gateway.routes.items()})
    for name, route in gateway.routes.items():
        route.on_result, route.on_fallback, route.on_hedge = metrics.counters(name)


def _is_open(route: Route) -> Callable[[], bool]:
    return lambda: not route.serving


def _some(names: Collection[str]) -> list[str]:
    """Return the first names, so that the line stays short."""
    return sorted(names)[:MAX_LOGGED_NAMES]
