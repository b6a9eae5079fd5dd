"""Starts and stops a server's components in order."""

import asyncio
import logging
import time
from typing import Final, Self

from grpc_health.v1 import health_pb2

from tokenwire.components import Components
from tokenwire.config import Settings, SettingsError, cannot_listen
from tokenwire.core.chat_model import ChatModel
from tokenwire.observability.metrics_server import MetricsServer, StatusPages
from tokenwire.server.tls import server_credentials

log = logging.getLogger(__name__)

STATUS_GRACE_SECONDS: Final = 2.0
"""How long gRPC may take after the grace period to deliver the statuses of interrupted answers."""
CANCEL_GRACE_SECONDS: Final = 1.0
"""How long gRPC may take after that to end the calls that it cancels."""


class App:
    """The gRPC server, the metrics server and their components.

    App is an async context manager: entering it starts the servers, leaving it stops them
    without a grace period. `drain` stops them gracefully.

    Args:
        settings: The settings of the process.
        model: The model to use instead of the one that `settings` describe.
        share_port: Whether other servers may listen on the same port.

    Attributes:
        address: The address of the gRPC server, as HOST:PORT.
        metrics_address: The address of the metrics server, as HOST:PORT.
        components: What the server consists of.
        metrics: The process's metrics.
        offer: The models, and what answers requests for them.
        channelz: The server of channelz; None if there is none.
    """

    def __init__(
        self, settings: Settings, model: ChatModel | None = None, *, share_port: bool = False
    ) -> None:
        self._settings = settings
        self._stopped = False
        self.components = components = Components(settings, model, share_port=share_port)
        self.offer = components.offer
        self.metrics = components.metrics
        self.channelz = components.channelz
        self.address = settings.listen
        self.metrics_address = settings.metrics_listen

    @property
    def default_model(self) -> str:
        """The model of requests that name none."""
        return self.offer.catalog().defaults.model

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(grace_seconds=0)

    async def start(self) -> None:
        """Open the ports, then report SERVING.

        Raises:
            SettingsError: An address is not available, or a file cannot be used.
        """
        settings, components = self._settings, self.components
        credentials = server_credentials(settings, self.metrics.with_tls)
        if components.usage:
            components.usage.start()
        components.health.set_status(health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            self._metrics_server = MetricsServer(
                settings.metrics_listen,
                self.metrics.registry,
                self.metrics.port,
                components.lag.overdue,
                status=StatusPages(components.status.collect, settings.status_token),
            )
        except OSError:
            raise cannot_listen("TOKENWIRE_METRICS_LISTEN", settings.metrics_listen) from None
        self.metrics_address = self._metrics_server.address
        try:
            if credentials is None:
                port = components.server.add_insecure_port(settings.listen)
            else:
                port = components.server.add_secure_port(settings.listen, credentials)
        except RuntimeError:
            self._metrics_server.stop()
            raise cannot_listen("TOKENWIRE_LISTEN", settings.listen) from None
        self.address = f"{settings.listen.rpartition(':')[0]}:{port}"
        if self.channelz:
            try:
                self.channelz.start()
            except SettingsError:
                self._metrics_server.stop()
                raise
        components.probe.listen(components.server)
        await components.server.start()
        components.probe.start()
        self.metrics.watch_tasks_of(asyncio.get_running_loop())
        components.lag.start()
        if components.reloader:
            components.reloader.start()
        if self.offer.gateway:
            self.offer.gateway.issuers.start()
            self.offer.gateway.use_store()
        self._log_access()
        components.health.set_status(health_pb2.HealthCheckResponse.SERVING)

    def _log_access(self) -> None:
        """Log who may call, if there is a gateway file."""
        if not self.offer.gateway:
            return
        if self.offer.catalog().callers is None:
            log.info("everyone may call, because the gateway file has no callers")
        elif self._settings.tls_certificate_file is None:
            log.warning("callers send their keys in plaintext, because the server has no TLS")

    def reload(self) -> None:
        """Read the gateway file now, if there is one, instead of at the next comparison."""
        if reloader := self.components.reloader:
            reloader.check_now()

    async def failed(self) -> None:
        """Wait until an internal error keeps the gRPC server from accepting calls.

        Call `drain` then: the calls that it has accepted go on.
        """
        await self.components.failed.wait()

    async def drain(self) -> None:
        """Stop gracefully: reject new calls, and let running answers finish."""
        components = self.components
        log.info("draining", extra={"drain_seconds": self._settings.drain_seconds})
        self.metrics.set_draining()
        components.health.set_status(health_pb2.HealthCheckResponse.NOT_SERVING)
        await asyncio.sleep(self._settings.drain_seconds)
        components.shedder.close()
        started = time.monotonic()
        await components.outcome.reject_new_calls(components.probe.has_backlog)
        # Deducted from the grace period, so that the process ends within its configured time.
        await self.stop(max(0.0, self._settings.grace_seconds - (time.monotonic() - started)))

    async def stop(self, grace_seconds: float) -> None:
        """Close the listener, wait up to `grace_seconds` for running answers, then stop the rest.

        A second call is a no-op.

        Args:
            grace_seconds: The longest time that running answers may take.
        """
        if self._stopped:
            return
        self._stopped = True
        components = self.components
        components.undelivered.limit(STATUS_GRACE_SECONDS)
        await components.probe.stop()
        closing = asyncio.create_task(components.server.stop(grace_seconds + STATUS_GRACE_SECONDS))
        components.requests.stop()
        if self.offer.gateway:
            await self.offer.gateway.issuers.stop()
        components.auxiliary.end_all()
        await asyncio.wait((closing,), timeout=grace_seconds)
        components.outcome.end_all()
        await asyncio.wait((closing,), timeout=STATUS_GRACE_SECONDS + CANCEL_GRACE_SECONDS)
        if not closing.done():
            log.error("gRPC did not stop in time; it still holds a call")
        components.lag.stop()
        if components.reloader:
            await components.reloader.stop()
        if self.offer.gateway:
            await self.offer.gateway.limiter.aclose()
        await components.model.aclose()
        await asyncio.gather(
            asyncio.to_thread(components.telemetry.shutdown),
            *([asyncio.to_thread(components.usage.stop)] if components.usage else ()),
        )
        if self.channelz:
            await self.channelz.stop()
        await asyncio.to_thread(self._metrics_server.stop)
        log.info("stopped")
