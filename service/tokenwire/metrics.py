"""Every metric, declared once.

Names follow OpenTelemetry's GenAI conventions in Prometheus' spelling where
they have one, and the gRPC ecosystem's `grpc_server_*` for calls.
"""

import asyncio
import platform
from typing import Final

from grpc import StatusCode
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from tokenwire import __version__
from tokenwire.calls import Call

OTHER_MODEL: Final = "other"
"""Label of every model that the settings do not name, so that series stay bounded."""

FIRST_TOKEN_BUCKETS: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 60.0, 120.0),
)
OUTPUT_TOKEN_BUCKETS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15),
    *(0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)
DURATION_BUCKETS: Final = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12),
    *(10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36),
)
"""All in seconds; from the GenAI conventions, extended for long streams."""

# A second series beside every counter and histogram, which nothing reads.
disable_created_metrics()  # type: ignore[no-untyped-call] # has no types


class Metrics:
    """The process's metrics.

    Args:
        models: Models that get a label of their own.

    Attributes:
        registry: Holds them all, for exposition.
    """

    def __init__(self, models: frozenset[str]) -> None:
        self.registry = registry = CollectorRegistry()
        self._models = models
        self._started = Counter(
            "grpc_server_started",
            "Calls that began.",
            ("grpc_service", "grpc_method"),
            registry=registry,
        )
        self._handled = Counter(
            "grpc_server_handled",
            "Calls that ended, by status code.",
            ("grpc_service", "grpc_method", "grpc_code"),
            registry=registry,
        )
        self._errors = Counter(
            "tokenwire_errors",
            "Calls that failed, by status code and reason.",
            ("grpc_code", "reason"),
            registry=registry,
        )
        self._tokens = Counter(
            "tokenwire_tokens",
            "Tokens by model and direction. Counted by the upstream; where an answer ended "
            "before the upstream's count came, output is what was relayed.",
            ("gen_ai_request_model", "gen_ai_token_type"),
            registry=registry,
        )
        self._first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time from the call's begin to its first token.",
            ("gen_ai_request_model",),
            buckets=FIRST_TOKEN_BUCKETS,
            registry=registry,
        )
        self._per_output_token = Histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Mean time between two tokens of one answer, after the first.",
            ("gen_ai_request_model",),
            buckets=OUTPUT_TOKEN_BUCKETS,
            registry=registry,
        )
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds",
            "Time from the call's begin to its end.",
            ("gen_ai_request_model", "grpc_code"),
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._streams = Gauge(
            "tokenwire_streams_in_flight", "Answers being streamed.", registry=registry
        )
        self._queue = Gauge(
            "tokenwire_queue_length", "Calls that wait for a place.", registry=registry
        )
        self._tasks = Gauge(
            "tokenwire_event_loop_tasks", "Tasks of the event loop.", registry=registry
        )
        Info("tokenwire_build", "What is running.", registry=registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def count_tasks_of(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell the tasks of `loop` from now on, counted whenever the metrics are read."""
        self._tasks.set_function(lambda: len(asyncio.all_tasks(loop)))

    def set_load(self, in_flight: int, queued: int) -> None:
        """Set how many answers are being streamed, and how many calls wait to be."""
        self._streams.set(in_flight)
        self._queue.set(queued)

    def start(self, call: Call) -> None:
        """Count a call that begins."""
        self._started.labels(*_method(call)).inc()

    def observe(self, call: Call) -> None:
        """Count a call that has ended."""
        code = call.code or StatusCode.UNKNOWN
        self._handled.labels(*_method(call), code.name).inc()
        if code is not StatusCode.OK:
            self._errors.labels(code.name, call.reason).inc()
        model = call.model if call.model in self._models else OTHER_MODEL
        self._duration.labels(model, code.name).observe(call.ended - call.started)
        if call.first_token:
            self._first_token.labels(model).observe(call.first_token - call.started)
        if call.tokens > 1:
            elapsed = call.last_token - call.first_token
            self._per_output_token.labels(model).observe(elapsed / (call.tokens - 1))
        self._count_tokens(call, model)

    def _count_tokens(self, call: Call, model: str) -> None:
        usage = call.completion.usage if call.completion else None
        if usage is None:
            self._tokens.labels(model, "output").inc(call.tokens)
            return
        self._tokens.labels(model, "input").inc(usage.input_tokens)
        self._tokens.labels(model, "output").inc(usage.output_tokens)
        self._tokens.labels(model, "cached").inc(usage.cached_input_tokens)
        self._tokens.labels(model, "reasoning").inc(usage.reasoning_tokens)


def _method(call: Call) -> tuple[str, str]:
    service, _, method = call.method.lstrip("/").partition("/")
    return service, method
