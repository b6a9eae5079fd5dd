"""Sets up and shuts down OpenTelemetry traces."""

import uuid
from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from tokenwire import __version__
from tokenwire.config import Settings, cannot_trace
from tokenwire.observability.traces.span_export import (
    CountingProcessor,
    Loss,
    LossCause,
    LostSpans,
    OnDropped,
)
from tokenwire.observability.traces.span_printer import SpanPrinter


class Telemetry:
    """The tracer provider and the configured exporters.

    The SDK reads the standard OTEL_* variables for sampling, resource attributes and batching.

    Args:
        settings: The exporters and their endpoints.
        on_dropped: Called from any thread with the number of lost spans and the reason.

    Attributes:
        provider: The tracer provider; a no-op provider without an exporter.

    Raises:
        SettingsError: The SDK rejects the value of one of its variables.
    """

    def __init__(self, settings: Settings, on_dropped: OnDropped) -> None:
        self.provider: trace.TracerProvider = trace.NoOpTracerProvider()
        self._sdk: TracerProvider | None = None
        lost = LostSpans(on_dropped)
        try:
            exporters = list(_exporters(settings, lost))
            if exporters:
                self._sdk = TracerProvider(resource=_resource(), shutdown_on_exit=False)
                self.provider = self._sdk
                for exporter in exporters:
                    self._sdk.add_span_processor(CountingProcessor(exporter, on_dropped, lost))
        except Exception as error:  # noqa: BLE001 - the SDK's parsers raise exceptions of any type
            raise cannot_trace(error) from None

    def shutdown(self) -> None:
        """Export the queued spans; block for SHUTDOWN_SECONDS per exporter at most."""
        if self._sdk:
            self._sdk.shutdown()


def _resource() -> Resource:
    """Return the resource of the spans; the standard variables override the defaults."""
    defaults = {
        SERVICE_NAME: "tokenwire",
        SERVICE_VERSION: __version__,
        SERVICE_INSTANCE_ID: str(uuid.uuid4()),
    }
    return Resource.create(defaults | dict(OTELResourceDetector().detect().attributes))


def _exporters(settings: Settings, lost: LostSpans) -> Iterator[SpanExporter]:
    for name in settings.span_exporters:
        if name == "console":
            yield SpanPrinter(lambda spans: lost.add(spans, Loss(LossCause.STDOUT)))
        else:
            yield _otlp_exporter(settings)


def _otlp_exporter(settings: Settings) -> SpanExporter:
    base, endpoint = settings.otlp_endpoint, settings.otlp_traces_endpoint
    # The endpoint is passed explicitly, because settings may come from files, and the SDK reads
    # only the environment. Each exporter is imported on demand: it loads a client library that
    # most processes do not need.
    if settings.span_protocol == "grpc":
        from tokenwire.observability.traces.otlp_grpc import GrpcExporter  # noqa: PLC0415

        return GrpcExporter(endpoint=endpoint or base)
    from tokenwire.observability.traces.otlp_http import HttpExporter  # noqa: PLC0415

    if base and not endpoint:
        endpoint = f"{base.rstrip('/')}/v1/traces"
    return HttpExporter(endpoint)
