"""OpenTelemetry traces: set-up and shutdown."""

from opentelemetry import trace
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from tokenwire import __version__
from tokenwire.settings import Settings
from tokenwire.spans import CountingProcessor, OnDropped


class Telemetry:
    """The tracer provider and its exporter, if the settings ask for one.

    Sampling, resource attributes and batching follow the standard OTEL_*
    variables, which the SDK reads.

    Args:
        settings: Where spans go.
        on_dropped: Told how many spans were lost and why, by any thread.

    Attributes:
        provider: Makes spans; they go nowhere without an exporter.
    """

    def __init__(self, settings: Settings, on_dropped: OnDropped) -> None:
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
        self._sdk.add_span_processor(CountingProcessor(exporter, on_dropped))
        self.provider = self._sdk

    def shutdown(self) -> None:
        """Send what is left; blocks until done or given up."""
        if self._sdk:
            self._sdk.shutdown()


def _exporter(settings: Settings) -> SpanExporter | None:
    base, endpoint = settings.otlp_endpoint, settings.otlp_traces_endpoint
    wanted = settings.traces_exporter or ("otlp" if endpoint or base else "none")
    if settings.otel_disabled or wanted == "none":
        return None
    if wanted == "console":
        return ConsoleSpanExporter()
    # The endpoint is passed on because the SDK would look only into the environment.
    # The exporters are imported here: each brings a client that most processes never need.
    if (settings.otlp_traces_protocol or settings.otlp_protocol) == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc_  # noqa: PLC0415

        return grpc_.OTLPSpanExporter(endpoint=endpoint or base)
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as http  # noqa: PLC0415

    if base and not endpoint:
        endpoint = f"{base.rstrip('/')}/v1/traces"
    return http.OTLPSpanExporter(endpoint=endpoint)
