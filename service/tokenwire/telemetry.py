"""OpenTelemetry traces: set-up and shutdown."""

from opentelemetry import trace
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

from tokenwire import __version__
from tokenwire.settings import Settings


class Telemetry:
    """The tracer provider and its exporter, if the settings ask for one.

    Sampling, resource attributes and batching follow the standard OTEL_*
    variables, which the SDK reads.

    Attributes:
        provider: Makes spans; they go nowhere without an exporter.
    """

    def __init__(self, settings: Settings) -> None:
        exporter = _exporter(settings)
        self.provider: trace.TracerProvider
        self._sdk: TracerProvider | None = None
        if exporter is None:
            self.provider = trace.NoOpTracerProvider()
            return
        resource = Resource({SERVICE_NAME: "tokenwire", SERVICE_VERSION: __version__})
        self._sdk = TracerProvider(
            resource=resource.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._sdk.add_span_processor(BatchSpanProcessor(exporter))
        self.provider = self._sdk

    def shutdown(self) -> None:
        """Send what is left; blocks until done or given up."""
        if self._sdk:
            self._sdk.shutdown()


def _exporter(settings: Settings) -> SpanExporter | None:
    wanted = settings.traces_exporter or ("otlp" if settings.otlp_endpoint else "none")
    if settings.otel_disabled or wanted == "none":
        return None
    if wanted == "console":
        return ConsoleSpanExporter()
    # Imported here because each brings a client that most processes never need.
    if settings.otlp_protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_  # noqa: PLC0415

        return grpc_.OTLPSpanExporter()
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as http  # noqa: PLC0415

    return http.OTLPSpanExporter()
