"""Every metric, declared once.

Names follow OpenTelemetry's GenAI conventions in Prometheus' spelling where
they have one, and the gRPC ecosystem's `grpc_server_*` for calls.
"""

import platform
from collections.abc import Collection, Iterable

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)

from tokenwire import __version__
from tokenwire.observability.logs.handler import LINES_DROPPED
from tokenwire.observability.metrics import buckets, labels
from tokenwire.observability.metrics_server import PortMetrics
from tokenwire.observability.prometheus_values import Counter, Gauge, Histogram, Info


class Declarations:
    """The metrics of one process, in the order of docs/metrics.md.

    Attributes:
        registry: Holds them all, for exposition.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._by_model: list[Counter | Histogram] = []
        self._grpc()
        self._gen_ai()
        self._calls()
        self._upstream()
        self._load()
        self._process()

    def _grpc(self) -> None:
        method, by_code = labels.METHOD, (*labels.METHOD, labels.CODE)
        self.started = self._counter("grpc_server_started", "Calls that began.", method)
        self.handled = self._counter(
            "grpc_server_handled", "Calls that ended, by status code.", by_code
        )
        self.received = self._counter(
            "grpc_server_msg_received", "Messages received, one for each call.", method
        )
        self.sent = self._counter(
            "grpc_server_msg_sent",
            "Answers handed to gRPC, counted when their call ends.",
            method,
        )
        self.handling = self._histogram(
            "grpc_server_handling_seconds",
            "Time from the start of the call to its end, whatever its status.",
            method,
            buckets.HANDLING,
        )

    def _gen_ai(self) -> None:
        self.first_token = self._histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time from the start of the call to its first token, as the service received it.",
            labels.GEN_AI,
            buckets.FIRST_TOKEN,
        )
        self.per_output_token = self._histogram(
            "gen_ai_server_time_per_output_token_seconds",
            "Mean time between two tokens of one answer, after the first.",
            labels.GEN_AI,
            buckets.OUTPUT_TOKEN,
        )
        self.request_duration = self._histogram(
            "gen_ai_server_request_duration_seconds",
            "Time from the start of the call to its end.",
            (*labels.GEN_AI, labels.ERROR_TYPE),
            buckets.DURATION,
        )
        self.operation_duration = self._histogram(
            "gen_ai_client_operation_duration_seconds",
            "Time from asking the model to the call's end, repeated requests included; "
            "calls that never asked it are not part of it.",
            (*labels.GEN_AI, labels.ERROR_TYPE),
            buckets.DURATION,
        )
        self.token_usage = self._histogram(
            "gen_ai_client_token_usage",
            "Tokens of one answer, input or output, as the upstream counted them; answers "
            "without that count are not part of it.",
            (*labels.GEN_AI, labels.TOKEN_TYPE),
            buckets.TOKENS,
        )

    def _calls(self) -> None:
        model = (labels.MODEL,)
        self.outcomes = self._counter(
            "tokenwire_calls", "Calls that ended, by outcome.", (labels.OUTCOME, labels.MODEL)
        )
        self.errors = self._counter(
            "tokenwire_errors",
            "Calls that did not end with OK, by status code and reason, cancelled ones included.",
            (labels.CODE, labels.REASON),
        )
        self.rejected = self._counter(
            "tokenwire_rejected", "Calls with the outcome rejected, by reason.", (labels.REASON,)
        )
        self.cancelled = self._counter(
            "tokenwire_cancelled_calls",
            "Calls with the outcome cancelled, by how far they had come.",
            (labels.PHASE,),
        )
        self.finish_reasons = self._counter(
            "tokenwire_finish_reasons",
            "Complete answers, by finish reason.",
            (labels.FINISH_REASON, labels.MODEL),
        )
        self.tool_calls = self._counter(
            "tokenwire_tool_calls",
            "Calls of tools in complete answers.",
            model,
        )
        self.refusals = self._counter(
            "tokenwire_refusals",
            "Complete answers in which the model refused.",
            model,
        )
        self.tokens = self._counter(
            "tokenwire_tokens",
            "Tokens by model and type. Counted by the upstream; where an answer ended "
            "before the upstream's count came, output is what was relayed.",
            (labels.MODEL, labels.TOKEN_TYPE),
        )
        self.abandoned_tokens = self._counter(
            "tokenwire_abandoned_tokens",
            "Output tokens of answers whose caller left before their end, by cancelling or by "
            "its deadline; a part of the tokens above.",
            model,
        )
        self.abandoned_wait = self._histogram(
            "tokenwire_abandoned_wait_seconds",
            "How long a caller who left, by cancelling or by its deadline, had waited for the "
            "first token or, while streaming, for the next one. Calls that had not asked the "
            "model, and callers who were not reading, are not part of it.",
            (labels.OUTCOME, labels.PHASE, labels.MODEL),
            buckets.ABANDONED,
        )
        self.cost = self._counter(
            "tokenwire_cost_dollars",
            "Price of the tokens, for models that `TOKENWIRE_PRICES` names.",
            model,
        )

    def _upstream(self) -> None:
        by_reason = (labels.REASON, labels.MODEL)
        self.upstream_errors = self._counter(
            "tokenwire_upstream_errors",
            "Failed requests to the upstream that the caller did not cause, including those that "
            "were retried.",
            by_reason,
        )
        self.upstream_retries = self._counter(
            "tokenwire_upstream_retries",
            "Requests to the upstream that were retried, by the reason of the first failure.",
            by_reason,
        )
        self.connection_failures = self._counter(
            "tokenwire_upstream_connection_failures",
            "Connections to the upstream that could not be made or broke, by cause. After a "
            "`stale_connection` the request was sent again on a new connection.",
            (labels.CAUSE,),
        )
        self.overhead = self._histogram(
            "tokenwire_overhead_seconds",
            "The service's own part of the time to the first token: from the start of the call to "
            "the first request to the upstream, plus from reading the first text to handing it "
            "to gRPC. Waiting for a slot is a part of it. Not known of providers other than "
            "`openai`, `anthropic`, `bedrock`, `google-genai`, `mistralai` and `ollama`.",
            (),
            buckets.OVERHEAD,
        )

    def _load(self) -> None:
        self.streams = self._gauge("tokenwire_streams_in_flight", "Answers being streamed.")
        self.streams_limit = self._gauge(
            "tokenwire_streams_limit", "Answers that may be streamed at once."
        )
        self.reserved = self._gauge(
            "tokenwire_streams_reserved",
            "Free slots reserved for connections or callers that were rejected while they had less "
            "than their fair share.",
        )
        self.accept_wait = self._histogram(
            "tokenwire_accept_wait_seconds",
            "How long calls waited in gRPC until the server took them, which is where the times "
            "of all other metrics begin.",
            (),
            buckets.ACCEPT_WAIT,
        )
        self.shed = self._counter(
            "tokenwire_shed_calls",
            "Calls rejected under overload before their message was read, a part of those with the "
            "outcome rejected. They have no span and no line of their own in the log.",
            (),
        )
        self.queue = self._gauge("tokenwire_queue_length", "Calls that wait for a slot.")
        self.queue_limit = self._gauge("tokenwire_queue_limit", "Calls that may wait for a slot.")
        self.queue_wait = self._histogram(
            "tokenwire_queue_wait_seconds",
            "How long calls waited for a slot, of those that had to wait, whether they got one or "
            "not.",
            (),
            buckets.QUEUE,
        )
        self.request_bytes = self._gauge(
            "tokenwire_request_bytes_in_flight", "Bytes of the requests of all calls."
        )
        self.request_bytes_limit = self._gauge(
            "tokenwire_request_bytes_limit", "Bytes that the requests of all calls may have."
        )
        self.watches = self._gauge(
            "tokenwire_health_watches", "Open Watch calls of the health service."
        )
        self.reflection_streams = self._gauge(
            "tokenwire_reflection_streams", "Open streams of reflection."
        )
        self.load_report_streams = self._gauge(
            "tokenwire_load_report_streams",
            "Open streams of load reports, one for each connection of a client that asks for them.",
        )
        self.incomplete_requests = self._gauge(
            "tokenwire_incomplete_requests",
            "Calls, health checks included, whose request message has not come yet.",
        )
        self.undelivered_statuses = self._gauge(
            "tokenwire_undelivered_statuses",
            "Calls that have ended and whose status the caller has not taken yet.",
        )
        self.streams_reset = self._counter(
            "tokenwire_streams_reset",
            "Calls whose stream was reset because the caller did not take the status in time, or "
            "because too many did not.",
            (),
        )
        self.draining = self._gauge(
            "tokenwire_draining", "1 from the signal to stop until the end, 0 before."
        )

    def _process(self) -> None:
        self.lag = self._histogram(
            "tokenwire_event_loop_lag_seconds",
            "How late the event loop was for a timer that fires four times a second.",
            (),
            buckets.LAG,
        )
        self.tasks = self._gauge("tokenwire_event_loop_tasks", "Tasks of the event loop.")
        self.spans_dropped = self._counter(
            "tokenwire_spans_dropped", "Spans that were lost, by reason.", (labels.REASON,)
        )
        self.port = PortMetrics(self.registry)
        self.registry.register(LINES_DROPPED)
        self.build = Info("tokenwire_build", "What is running.", registry=self.registry)
        self.build.info({"version": __version__, "python": platform.python_version()})
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def remove_model(self, model: str) -> None:
        """Remove all series of a model."""
        for metric in self._by_model:
            metric.remove_by_labels({labels.MODEL: model})

    def _counter(self, name: str, meaning: str, names: Collection[str]) -> Counter:
        counter = Counter(name, meaning, names, registry=self.registry)
        self._note(counter, names)
        return counter

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, names: Collection[str], bounds: Iterable[float]
    ) -> Histogram:
        histogram = Histogram(name, meaning, names, buckets=tuple(bounds), registry=self.registry)
        self._note(histogram, names)
        return histogram

    def _note(self, metric: Counter | Histogram, names: Collection[str]) -> None:
        if labels.MODEL in names:
            self._by_model.append(metric)
