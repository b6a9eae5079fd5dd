"""The composition root: builds the components, and starts and stops them in order."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final, Self

from grpc_health.v1 import health_pb2, health_pb2_grpc

from tokenwire.api.chatgpt.embeddings import EmbeddingService
from tokenwire.api.chatgpt.field_limits import FieldLimits
from tokenwire.api.chatgpt.models import ModelList
from tokenwire.api.chatgpt.service import ChatgptService
from tokenwire.api.chatgpt.token_counts import TokenCounts
from tokenwire.api.codes import failure_outcomes
from tokenwire.api.protocols import ServedProtocols
from tokenwire.config import Settings, SettingsError, cannot_listen
from tokenwire.core.chat_model import ChatModel
from tokenwire.observability.event_loop_lag import EventLoopLagMonitor
from tokenwire.observability.logs.call_log import log_call
from tokenwire.observability.metrics import Metrics
from tokenwire.observability.metrics_server import MetricsServer, StatusPages
from tokenwire.observability.traces.chat_span import ChatSpans
from tokenwire.observability.traces.route_span import RouteSpans
from tokenwire.observability.traces.telemetry import Telemetry
from tokenwire.observability.usage import UsageRecorder
from tokenwire.offer import build_offer
from tokenwire.reload import GatewayReloader, reloader
from tokenwire.server.accept_probe import AcceptProbe
from tokenwire.server.authentication import Authenticator
from tokenwire.server.auxiliary_services import AuxiliaryServices
from tokenwire.server.endpoints import serve_endpoints
from tokenwire.server.entry import Entry
from tokenwire.server.grpc_server import make_server
from tokenwire.server.health import HealthServicer
from tokenwire.server.interceptors.admission import AdmissionInterceptor
from tokenwire.server.interceptors.base import Context
from tokenwire.server.interceptors.outcome import OutcomeInterceptor
from tokenwire.server.interceptors.parsing import ParsingInterceptor
from tokenwire.server.interceptors.request_bytes import RequestBytesInterceptor
from tokenwire.server.interceptors.tracing import TracingInterceptor, annotate_span
from tokenwire.server.load_meter import LoadMeter
from tokenwire.server.load_reports import SERVICE as LOAD_REPORTS
from tokenwire.server.load_reports import LoadReportServicer
from tokenwire.server.options import server_options
from tokenwire.server.relay import Relay
from tokenwire.server.request_reader import RequestReader
from tokenwire.server.shedding import LoadShedder
from tokenwire.server.tls import server_credentials
from tokenwire.server.undelivered import UndeliveredStatuses
from tokenwire.status import StatusSource

if TYPE_CHECKING:
    from tokenwire.server.channelz import ChannelzServer

log = logging.getLogger(__name__)

MIN_HELD_CALLS: Final = 1_000
"""The least limit of calls that wait for their message, and of ended calls whose status is not
delivered yet. It applies where the limit of answers is lower, because each rejected call passes
through both states."""
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
        metrics: The process's metrics.
        offer: The models, and what answers requests for them.
        channelz: The server of channelz; None if there is none.
    """

    def __init__(
        self, settings: Settings, model: ChatModel | None = None, *, share_port: bool = False
    ) -> None:
        self._settings = settings
        self._stopped = False
        self._protocols = ServedProtocols(settings.protocols)
        self._methods = self._protocols.methods
        self._services = self._protocols.services
        self.offer = offer = build_offer(settings, model)
        self.metrics = Metrics(
            self._methods,
            failure_outcomes(),
            offer.catalog().defaults.model_names,
            offer.provider,
            offer.catalog().prices,
        )
        self.metrics.set_limits(
            settings.max_streams, settings.max_queue, settings.max_request_bytes_in_flight
        )
        self._telemetry = Telemetry(settings, self.metrics.count_dropped)
        self._spans = ChatSpans(
            self._telemetry.provider, offer.provider, capture_content=settings.capture_content
        )
        self._model = offer.chat
        if offer.gateway:
            offer.gateway.router.start_span = RouteSpans(self._telemetry.provider).start
        self._lag = EventLoopLagMonitor(self.metrics.observe_lag)
        self._health = HealthServicer(
            self._services,
            self.metrics.set_watches,
            self.metrics.note_call,
        )
        self._reloader: GatewayReloader | None = None
        if offer.gateway:
            self._reloader = reloader(offer.gateway, self.metrics, self._health)
        held_calls = max(settings.max_streams, MIN_HELD_CALLS)
        self._undelivered = UndeliveredStatuses(
            settings.reader_timeout_seconds,
            held_calls,
            on_reset=self.metrics.count_reset,
        )
        self._requests = RequestReader(settings.request_timeout_seconds, held_calls)
        self.metrics.watch_held(lambda: self._requests.waiting, lambda: len(self._undelivered))
        self._usage: UsageRecorder | None = None
        if settings.usage_file:
            self._usage = UsageRecorder(settings.usage_file, self.metrics.with_usage)
        self._load: LoadMeter | None = None
        if settings.load_reports != "off":
            self._load = LoadMeter(settings.max_streams, in_calls=settings.load_reports == "calls")
        self._outcome = OutcomeInterceptor(
            on_start=self.metrics.start,
            observers=(
                self._spans.end,
                annotate_span,
                self.metrics.observe,
                log_call,
                *((self._usage.observe,) if self._usage else ()),
                *((self._load.observe,) if self._load else ()),
                self._undelivered.observe,
            ),
            load=self._load,
        )
        self._failed = asyncio.Event()
        self._server = make_server(
            server_options(settings, share_port=share_port), on_failed=self._failed.set
        )
        self._authenticator = Authenticator(
            lambda: offer.catalog().callers,
            offer.gateway.issuers if offer.gateway else None,
        )
        self._serve_endpoints()
        self._serve_auxiliary()
        self.channelz = _channelz_server(settings)
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

    def _serve_endpoints(self) -> None:
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
        self.metrics.watch_reserved(admission.reserved)
        if self._load:
            self._load.watch_queue(lambda: admission.queued)
        self._status = StatusSource(
            self.offer,
            lambda: "serving" if self._health.serving else "not serving",
            settings.max_streams,
            lambda: (admission.in_flight, admission.queued),
            lambda: self._reloader is None or self._reloader.usable,
        )
        self._probe = AcceptProbe(method.path for method in self._methods)
        self._shedder = LoadShedder(
            self._probe, admission, self.metrics, self._authenticator.recognize, self._load
        )
        offer = self.offer
        limits = FieldLimits(settings.max_turns, settings.max_text_bytes)
        others = (
            ModelList(offer.catalog, lambda: self._health.serving),
            TokenCounts(offer.token_counter, offer.catalog, limits, self._spans.start_operation),
            EmbeddingService(offer.embeddings, offer.catalog, self._spans.start_operation),
        )
        service = ChatgptService(
            self._model,
            offer.catalog,
            limits,
            self._spans.start,
            [each.endpoint() for each in others],
        )
        endpoints = self._protocols.endpoints(service, settings.max_turns, settings.max_text_bytes)
        interceptors = (
            # Outermost, so that the logs and metrics of the call belong to its span.
            TracingInterceptor(self._telemetry.provider),
            # Converts the exceptions of all interceptors below to a status.
            self._outcome,
            # Before admission, because a call in the admission queue holds its request.
            request_bytes,
            # Before parsing, so that a rejected call costs as little as possible.
            admission,
            # Innermost, so that a parsing failure has an outcome like any other failure.
            ParsingInterceptor(),
        )
        serve_endpoints(
            self._server,
            endpoints,
            Entry(
                self._shedder,
                self._requests,
                settings.stream_timeout_seconds,
                self._authenticator.authenticate,
            ),
            interceptors,
            Relay(settings.reader_timeout_seconds),
        )

    def _serve_auxiliary(self) -> None:
        self._auxiliary = AuxiliaryServices(
            self._server,
            self._requests,
            self._settings.reader_timeout_seconds,
            self._undelivered,
        )
        registrar: Any = self._auxiliary
        health_pb2_grpc.add_HealthServicer_to_server(self._health, registrar)
        names = [*self._services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
        if self._load:
            LoadReportServicer(self._load, self.metrics.set_load_report_streams).register(registrar)
            names.append(LOAD_REPORTS)
        if self._settings.reflection == "off":
            return
        # See `_channelz_server`.
        from tokenwire.server.reflection import enable_reflection  # noqa: PLC0415

        authorize = self._authorize if self._settings.reflection == "callers" else None
        enable_reflection(names, registrar, self.metrics.set_reflection_streams, authorize)

    async def _authorize(self, context: Context) -> None:
        await self._authenticator.authenticate(context.invocation_metadata() or (), context)

    async def start(self) -> None:
        """Open the ports, then report SERVING.

        Raises:
            SettingsError: An address is not available, or a file cannot be used.
        """
        settings = self._settings
        credentials = server_credentials(settings, self.metrics.with_tls)
        if self._usage:
            self._usage.start()
        self._health.set_status(health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            self._metrics_server = MetricsServer(
                settings.metrics_listen,
                self.metrics.registry,
                self.metrics.port,
                self._lag.overdue,
                status=StatusPages(self._status.collect, settings.status_token),
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
        if self.channelz:
            try:
                self.channelz.start()
            except SettingsError:
                self._metrics_server.stop()
                raise
        self._probe.listen(self._server)
        await self._server.start()
        self._probe.start()
        self.metrics.watch_tasks_of(asyncio.get_running_loop())
        self._lag.start()
        if self._reloader:
            self._reloader.start()
        if self.offer.gateway:
            self.offer.gateway.issuers.start()
            self.offer.gateway.use_store()
        self._log_access()
        self._health.set_status(health_pb2.HealthCheckResponse.SERVING)

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
        if self._reloader:
            self._reloader.check_now()

    async def failed(self) -> None:
        """Wait until an internal error keeps the gRPC server from accepting calls.

        Call `drain` then: the calls that it has accepted go on.
        """
        await self._failed.wait()

    async def drain(self) -> None:
        """Stop gracefully: reject new calls, and let running answers finish."""
        log.info("draining", extra={"drain_seconds": self._settings.drain_seconds})
        self.metrics.set_draining()
        self._health.set_status(health_pb2.HealthCheckResponse.NOT_SERVING)
        await asyncio.sleep(self._settings.drain_seconds)
        self._shedder.close()
        started = time.monotonic()
        await self._outcome.reject_new_calls(self._probe.has_backlog)
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
        self._undelivered.limit(STATUS_GRACE_SECONDS)
        await self._probe.stop()
        closing = asyncio.create_task(self._server.stop(grace_seconds + STATUS_GRACE_SECONDS))
        self._requests.stop()
        if self.offer.gateway:
            await self.offer.gateway.issuers.stop()
        self._auxiliary.end_all()
        await asyncio.wait((closing,), timeout=grace_seconds)
        self._outcome.end_all()
        await asyncio.wait((closing,), timeout=STATUS_GRACE_SECONDS + CANCEL_GRACE_SECONDS)
        if not closing.done():
            log.error("gRPC did not stop in time; it still holds a call")
        self._lag.stop()
        if self._reloader:
            await self._reloader.stop()
        if self.offer.gateway:
            await self.offer.gateway.limiter.aclose()
        await self._model.aclose()
        await asyncio.gather(
            asyncio.to_thread(self._telemetry.shutdown),
            *([asyncio.to_thread(self._usage.stop)] if self._usage else ()),
        )
        if self.channelz:
            await self.channelz.stop()
        await asyncio.to_thread(self._metrics_server.stop)
        log.info("stopped")


def _channelz_server(settings: Settings) -> "ChannelzServer | None":
    if not settings.channelz_listen:
        return None
    # Imported here, as reflection is where it is enabled, because few servers have it.
    from tokenwire.server.channelz import ChannelzServer  # noqa: PLC0415

    return ChannelzServer(settings.channelz_listen)
