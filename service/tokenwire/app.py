"""The composition root: what is built, and in which order it starts and stops."""

import asyncio
import logging
import os
import time
from functools import partial
from typing import Final, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tokenwire import __version__, garbage, logs
from tokenwire.accept_probe import AcceptProbe
from tokenwire.call_log import log_call
from tokenwire.chat_span import TracedModel, end_chat_span
from tokenwire.connection_age import connection_age
from tokenwire.convert import Defaults
from tokenwire.domain import ChatModel
from tokenwire.exposition import MetricsServer
from tokenwire.field_limits import FieldLimits
from tokenwire.grpc_server import make_server
from tokenwire.health import HealthServicer
from tokenwire.interceptors import build_chain
from tokenwire.interceptors.admission import AdmissionInterceptor
from tokenwire.interceptors.edge import EdgeInterceptor
from tokenwire.interceptors.outcome import OutcomeInterceptor
from tokenwire.interceptors.request_bytes import RequestBytesInterceptor
from tokenwire.interceptors.shedding import SheddingInterceptor
from tokenwire.interceptors.tracing import annotate_span
from tokenwire.lag import LagMeter
from tokenwire.metrics import Metrics
from tokenwire.model import build_model, provider_name
from tokenwire.reflection import enable_reflection
from tokenwire.servicer import SERVICE, ChatgptServicer, Patience
from tokenwire.settings import Settings, cannot_listen
from tokenwire.stop_signals import stop_signals
from tokenwire.telemetry import Telemetry
from tokenwire.tls import server_credentials
from tokenwire.undelivered import UndeliveredStatuses
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire.workers import Link

log = logging.getLogger(__name__)

EXIT_SECOND_SIGNAL: Final = 130

OPTIONS: Final = (
    # The default turns callers away with CANCELLED when thousands connect at once.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
    # Callers may ping this often to keep an idle connection through load balancers.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_metadata_size", 16_384),
    # By default calls that the server has not taken for 30 s are cancelled, without a status.
    ("grpc.server_max_unrequested_time_in_server", 3_600),
)
MIN_HELD_CALLS: Final = 1_000
"""Calls without a message, and ended calls whose status was not taken, that may be held at once
even if fewer answers may run. A crowd that is rejected passes both states for a moment."""
SLACK: Final = 20
"""Streams beyond as many as a connection may have, that may have ended and not yet gone."""
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
            model or build_model(settings),
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
        patience = Patience(
            first_token=settings.first_token_timeout_seconds,
            idle=settings.idle_timeout_seconds,
            reader=settings.reader_timeout_seconds,
        )
        options = (
            *OPTIONS,
            # By default a second server on the same port starts silently and takes half the calls.
            ("grpc.so_reuseport", int(share_port)),
            ("grpc.max_receive_message_length", settings.max_request_bytes),
            ("grpc.max_concurrent_streams", settings.max_streams_per_connection),
            # A stream counts until this process has let go of its call, so that a caller who begins
            # and cancels calls faster than they are taken is refused. Without room for those that
            # are about to go, so is one with as many calls as allowed, without a status of ours.
            ("grpc.http.overload_protection", 1),
            ("grpc.http2.max_deallocating_streams", settings.max_streams_per_connection + SLACK),
            *connection_age(settings),
            ("grpc.keepalive_time_ms", round(settings.keepalive_seconds * 1_000)),
            # Not grpc.keepalive_timeout_ms: with data outstanding this one decides.
            ("grpc.http2.ping_timeout_ms", round(settings.keepalive_timeout_seconds * 1_000)),
        )
        server = make_server(chain, options)
        servicer = ChatgptServicer(self._model, defaults, patience)
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


async def serve(settings: Settings, link: Link | None = None) -> int:
    """Run a server until a signal tells it to stop, then drain it.

    A second signal ends the process at once, unless a supervisor decides about that.

    Args:
        settings: All that can be set.
        link: To the supervisor, for a worker that shares the port with others:
            it drains also when the link closes.

    Returns:
        The exit code.

    Raises:
        SettingsError: The server cannot start with these settings.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.log_loop_error)
    for number in stop_signals():
        loop.add_signal_handler(number, stopping.set if link else partial(_on_signal, stopping))
    app = App(settings, share_port=link is not None)
    await app.start()
    garbage.tune_collector()
    if link:
        link.tell_serving(app.metrics_address)
        link.on_close(stopping.set)
    else:
        log.info(
            "serving",
            extra={
                "version": __version__,
                "address": app.address,
                "metrics_address": app.metrics_address,
                "model": settings.model,
            },
        )
    await stopping.wait()
    if not link:
        log.info("stopping; a second signal ends the process at once")
    started = time.monotonic()
    await app.drain()
    log.info("exit", extra={"drained_seconds": round(time.monotonic() - started, 3)})
    return 0


def _on_signal(stopping: asyncio.Event) -> None:
    if stopping.is_set():
        os._exit(EXIT_SECOND_SIGNAL)
    stopping.set()
