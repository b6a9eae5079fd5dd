"""The composition root: what is built, and in which order it starts and stops."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tokenwire.api.chatgpt.field_limits import FieldLimits
from tokenwire.api.chatgpt.wire import Defaults
from tokenwire.config import Settings, cannot_listen
from tokenwire.core.domain import ChatModel
from tokenwire.observability.event_loop_lag import LagMeter
from tokenwire.observability.logs.call_log import log_call
from tokenwire.observability.metrics import Metrics
from tokenwire.observability.metrics_server import MetricsServer
from tokenwire.observability.traces.chat_span import TracedModel, end_chat_span
from tokenwire.observability.traces.telemetry import Telemetry
from tokenwire.routing.retry import RetryingModel
from tokenwire.server.accept_probe import AcceptProbe
from tokenwire.server.grpc_server import make_server
from tokenwire.server.health import HealthServicer
from tokenwire.server.interceptors import build_chain
from tokenwire.server.interceptors.admission import AdmissionInterceptor
from tokenwire.server.interceptors.edge import EdgeInterceptor
from tokenwire.server.interceptors.outcome import OutcomeInterceptor
from tokenwire.server.interceptors.request_bytes import RequestBytesInterceptor
from tokenwire.server.interceptors.shedding import SheddingInterceptor
from tokenwire.server.interceptors.tracing import annotate_span
from tokenwire.server.options import server_options
from tokenwire.server.reflection import enable_reflection
from tokenwire.server.relay import SERVICE, ChatgptServicer, Timeouts
from tokenwire.server.tls import server_credentials
from tokenwire.server.undelivered import UndeliveredStatuses
from tokenwire.upstreams import build_model, provider_name
from tokenwire.v1 import chatgpt_pb2_grpc

log = logging.getLogger(__name__)

MIN_HELD_CALLS: Final = 1_000
"""Calls without a message, and ended calls whose status was not taken, that may be held at once
even if fewer answers may run. A crowd that is rejected passes both states for a moment."""
MORE_THAN_GRACE_SECONDS: Final = 2.0
"""After the grace, for the statuses of the answers that it ended to go out."""


class App:
    """A server with everything around it.

    Use it as an async context manager: entering starts it, leaving stops it
    at once. `drain` is the gentle way to stop.

    Args:
        settings: All that can be set.
        model: In place of the one that `settings` describe.
        share_port: Whether other servers may listen on the same port.

    Attributes:
        address: Where the gRPC server listens, HOST:PORT.
        metrics_address: Where Prometheus scrapes, HOST:PORT.
        metrics: The process's metrics.
    """

    def __init__(
        self, settings: Settings, model: ChatModel | None = None, *, share_port: bool = False
    ) -> None:
        self._settings = settings
        self._stopped = False
        provider = provider_name(settings)
        self.metrics = Metrics(settings.models | {settings.model}, provider, settings.prices)
        self.metrics.set_limits(
            settings.max_streams, settings.max_queue, settings.max_request_bytes_in_flight
        )
        self._telemetry = Telemetry(settings, self.metrics.count_dropped)
        self._model = TracedModel(
            model or RetryingModel(build_model(settings)),
            self._telemetry.provider,
            provider,
            capture_content=settings.capture_content,
        )
        self._lag = LagMeter(self.metrics.observe_lag)
        self._health = HealthServicer(self.metrics.set_watches, self.metrics.note_call)
        held_calls = max(settings.max_streams, MIN_HELD_CALLS)
        self._undelivered = UndeliveredStatuses(
            settings.reader_timeout_seconds,
            held_calls,
            on_reset=self.metrics.count_reset,
        )
        self._edge = EdgeInterceptor(
            settings.request_timeout_seconds,
            held_calls,
            settings.reader_timeout_seconds,
            self._undelivered,
        )
        self.metrics.watch_held(lambda: self._edge.waiting, lambda: len(self._undelivered))
        self._outcome = OutcomeInterceptor(
            settings.stream_timeout_seconds,
            on_start=self.metrics.start,
            observers=(
                end_chat_span,
                annotate_span,
                self.metrics.observe,
                log_call,
                self._undelivered.observe,
            ),
        )
        self._server = self._build_server(share_port=share_port)
        self.address = settings.listen
        self.metrics_address = settings.metrics_listen

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(grace_seconds=0)

    def _build_server(self, *, share_port: bool) -> grpc.aio.Server:
        settings = self._settings
        admission = AdmissionInterceptor(
            settings.max_streams,
            settings.max_queue,
            settings.queue_timeout_seconds,
        )
        request_bytes = RequestBytesInterceptor(settings.max_request_bytes_in_flight)
        self.metrics.watch_load(
            lambda: admission.in_flight, lambda: admission.queued, lambda: request_bytes.held
        )
        self._probe = AcceptProbe(f"/{SERVICE}/Send")
        self._shedding = SheddingInterceptor(self._probe, admission, self.metrics)
        self.metrics.watch_reserved(admission.reserved)
        chain = build_chain(
            self._telemetry.provider,
            self._shedding,
            self._edge,
            self._outcome,
            request_bytes,
            admission,
            FieldLimits(settings.max_turns),
        )
        defaults = Defaults(
            model=settings.model,
            temperature=settings.temperature,
            system=settings.system_prompt,
            models=settings.models,
        )
        timeouts = Timeouts(
            first_token=settings.first_token_timeout_seconds,
            idle=settings.idle_timeout_seconds,
            reader=settings.reader_timeout_seconds,
        )
        server = make_server(chain, server_options(settings, share_port=share_port))
        servicer = ChatgptServicer(self._model, defaults, timeouts)
        chatgpt_pb2_grpc.add_ChatgptServicer_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        enable_reflection(names, server, self.metrics.set_reflection_streams)
        return server

    async def start(self) -> None:
        """Listen, then report SERVING.

        Raises:
            SettingsError: An address cannot be listened on, or a file of TLS not be used.
        """
        settings = self._settings
        credentials = server_credentials(settings, self.metrics.with_tls)
        self._health.report(health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            self._metrics_server = MetricsServer(
                settings.metrics_listen,
                self.metrics.registry,
                self.metrics.port,
                self._lag.overdue,
            )
        except OSError:
            raise cannot_listen("TOKENWIRE_METRICS_LISTEN", settings.metrics_listen) from None
        self.metrics_address = self._metrics_server.address
        try:
            if credentials is None:
                port = self._server.add_insecure_port(settings.listen)
            else:
                port = self._server.add_secure_port(settings.listen, credentials)
        except RuntimeError:
            self._metrics_server.stop()
            raise cannot_listen("TOKENWIRE_LISTEN", settings.listen) from None
        self.address = f"{settings.listen.rpartition(':')[0]}:{port}"
        self._probe.listen(self._server)
        await self._server.start()
        self._probe.start()
        self.metrics.watch_tasks_of(asyncio.get_running_loop())
        self._lag.start()
        self._health.report(health_pb2.HealthCheckResponse.SERVING)

    async def ended(self) -> None:
        """Wait for the end of the gRPC server, also if an error of its own ends it.

        Cancelling this would keep the server from stopping.
        """
        with suppress(Exception):
            # gRPC raises the error, and logs it.
            await self._server.wait_for_termination()

    async def drain(self) -> None:
        """Stop without losing an answer: turn new callers away, let running answers finish."""
        log.info("draining", extra={"drain_seconds": self._settings.drain_seconds})
        self.metrics.set_draining()
        self._health.report(health_pb2.HealthCheckResponse.NOT_SERVING)
        await asyncio.sleep(self._settings.drain_seconds)
        self._shedding.close()
        begun = time.monotonic()
        await self._outcome.refuse(self._probe.crowded)
        # Out of the grace, so that the process ends when those who wait for it expect that.
        await self.stop(max(0.0, self._settings.grace_seconds - (time.monotonic() - begun)))

    async def stop(self, grace_seconds: float) -> None:
        """Close the listener, give running answers `grace_seconds`, then close everything.

        Stopping again does nothing.
        """
        if self._stopped:
            return
        self._stopped = True
        self._undelivered.limit(MORE_THAN_GRACE_SECONDS)
        await self._probe.stop()
        closing = asyncio.create_task(self._server.stop(grace_seconds + MORE_THAN_GRACE_SECONDS))
        self._edge.end_all()
        await asyncio.wait((closing,), timeout=grace_seconds)
        self._outcome.end_all()
        await closing
        self._lag.stop()
        await self._model.aclose()
        await asyncio.to_thread(self._telemetry.shutdown)
        await asyncio.to_thread(self._metrics_server.stop)
        log.info("stopped")
