"""Builds the components of a server and connects them; `App` starts and stops them."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from grpc_health.v1 import health_pb2, health_pb2_grpc

from tokenwire.api.chatgpt.embeddings import EmbeddingService
from tokenwire.api.chatgpt.field_limits import FieldLimits
from tokenwire.api.chatgpt.models import ModelList
from tokenwire.api.chatgpt.service import ChatgptService
from tokenwire.api.chatgpt.token_counts import TokenCounts
from tokenwire.api.codes import failure_outcomes
from tokenwire.api.protocols import ServedProtocols
from tokenwire.config import Settings
from tokenwire.core.chat_model import ChatModel
from tokenwire.observability.event_loop_lag import EventLoopLagMonitor
from tokenwire.observability.logs.call_log import log_call
from tokenwire.observability.metrics import Metrics
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
from tokenwire.server.undelivered import UndeliveredStatuses
from tokenwire.status import StatusSource

if TYPE_CHECKING:
    from tokenwire.server.channelz import ChannelzServer

MIN_HELD_CALLS: Final = 1_000
"""The least limit of calls that wait for their message, and of ended calls whose status is not
delivered yet. It applies where the limit of answers is lower, because each rejected call passes
through both states."""


class Components:
    """The components of a server, none of which is started.

    Args:
        settings: The settings of the process.
        model: The model to use instead of the one that `settings` describe.
        share_port: Whether other servers may listen on the same port.

    Attributes:
        offer: The models, and what answers requests for them.
        metrics: The process's metrics.
        telemetry: Exports the spans.
        model: Answers the requests of all methods.
        lag: Measures the lag of the event loop.
        health: The health service.
        reloader: Compares the gateway file with what is served; None without a gateway file.
        undelivered: The ended calls whose status the client has not read.
        requests: Reads the messages of calls.
        usage: Writes the usage records; None if there is no file for them.
        outcome: Runs the calls of all methods, and ends them.
        failed: Is set when an internal error keeps the gRPC server from accepting calls.
        server: The gRPC server.
        auxiliary: The services for operators, whose streams may be endless.
        status: What the status page shows.
        probe: Tells how long calls wait in gRPC.
        shedder: Rejects calls before any other work is done for them.
        channelz: The server of channelz; None if there is none.
    """

    def __init__(self, settings: Settings, model: ChatModel | None, *, share_port: bool) -> None:
        self._settings = settings
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
        self.telemetry = Telemetry(settings, self.metrics.count_dropped)
        self._spans = ChatSpans(
            self.telemetry.provider, offer.provider, capture_content=settings.capture_content
        )
        self.model = offer.chat
        if offer.gateway:
            offer.gateway.router.start_span = RouteSpans(self.telemetry.provider).start
        self.lag = EventLoopLagMonitor(self.metrics.observe_lag)
        self.health = HealthServicer(
            self._services,
            self.metrics.set_watches,
            self.metrics.calls.note_call,
        )
        self.reloader: GatewayReloader | None = None
        if offer.gateway:
            self.reloader = reloader(offer.gateway, self.metrics, self.health)
        held_calls = max(settings.max_streams, MIN_HELD_CALLS)
        self.undelivered = UndeliveredStatuses(
            settings.reader_timeout_seconds,
            held_calls,
            on_reset=self.metrics.count_reset,
        )
        self.requests = RequestReader(settings.request_timeout_seconds, held_calls)
        self.metrics.watch_held(lambda: self.requests.waiting, lambda: len(self.undelivered))
        self.usage: UsageRecorder | None = None
        if settings.usage_file:
            self.usage = UsageRecorder(settings.usage_file, self.metrics.with_usage)
        self._load: LoadMeter | None = None
        if settings.load_reports != "off":
            self._load = LoadMeter(settings.max_streams, in_calls=settings.load_reports == "calls")
        self.outcome = OutcomeInterceptor(
            on_start=self.metrics.calls.start,
            observers=(
                self._spans.end,
                annotate_span,
                self.metrics.calls.observe,
                log_call,
                *((self.usage.observe,) if self.usage else ()),
                *((self._load.observe,) if self._load else ()),
                self.undelivered.observe,
            ),
            load=self._load,
        )
        self.failed = asyncio.Event()
        self.server = make_server(
            server_options(settings, share_port=share_port), on_failed=self.failed.set
        )
        self._authenticator = Authenticator(
            lambda: offer.catalog().callers,
            offer.gateway.issuers if offer.gateway else None,
        )
        self._serve_endpoints()
        self._serve_auxiliary()
        self.channelz = _channelz_server(settings)

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
        self.status = StatusSource(
            self.offer,
            lambda: "serving" if self.health.serving else "not serving",
            settings.max_streams,
            lambda: (admission.in_flight, admission.queued),
            lambda: self.reloader is None or self.reloader.usable,
        )
        self.probe = AcceptProbe(method.path for method in self._methods)
        self.shedder = LoadShedder(
            self.probe, admission, self.metrics, self._authenticator.recognize, self._load
        )
        offer = self.offer
        limits = FieldLimits(settings.max_turns, settings.max_text_bytes)
        others = (
            ModelList(offer.catalog, lambda: self.health.serving),
            TokenCounts(offer.token_counter, offer.catalog, limits, self._spans.start_operation),
            EmbeddingService(offer.embeddings, offer.catalog, self._spans.start_operation),
        )
        service = ChatgptService(
            self.model,
            offer.catalog,
            limits,
            self._spans.start,
            [each.endpoint() for each in others],
        )
        endpoints = self._protocols.endpoints(service, settings.max_turns, settings.max_text_bytes)
        interceptors = (
            # Outermost, so that the logs and metrics of the call belong to its span.
            TracingInterceptor(self.telemetry.provider),
            # Converts the exceptions of all interceptors below to a status.
            self.outcome,
            # Before admission, because a call in the admission queue holds its request.
            request_bytes,
            # Before parsing, so that a rejected call costs as little as possible.
            admission,
            # Innermost, so that a parsing failure has an outcome like any other failure.
            ParsingInterceptor(),
        )
        serve_endpoints(
            self.server,
            endpoints,
            Entry(
                self.shedder,
                self.requests,
                settings.stream_timeout_seconds,
                self._authenticator.authenticate,
            ),
            interceptors,
            Relay(settings.reader_timeout_seconds),
        )

    def _serve_auxiliary(self) -> None:
        self.auxiliary = AuxiliaryServices(
            self.server,
            self.requests,
            self._settings.reader_timeout_seconds,
            self.undelivered,
        )
        registrar: Any = self.auxiliary
        health_pb2_grpc.add_HealthServicer_to_server(self.health, registrar)
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


def _channelz_server(settings: Settings) -> "ChannelzServer | None":
    if not settings.channelz_listen:
        return None
    # Imported here, as reflection is where it is enabled, because few servers have it.
    from tokenwire.server.channelz import ChannelzServer  # noqa: PLC0415

    return ChannelzServer(settings.channelz_listen)
