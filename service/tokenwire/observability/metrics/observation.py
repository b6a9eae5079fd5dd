"""What is counted of each call: all at its end, nothing for each token."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from tokenwire.core.attempts import Cause
from tokenwire.core.call_record import CallRecord
from tokenwire.core.method import Method
from tokenwire.core.prices import Price
from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.by_method import MethodSeries
from tokenwire.observability.metrics.by_model import ModelSeries
from tokenwire.observability.metrics.declarations import Declarations
from tokenwire.observability.metrics.labels import OTHER_MODEL, Dropped, Outcome, Phase
from tokenwire.observability.metrics.tls import TlsMetrics

OK: Final = "OK"


class Metrics:
    """The process's metrics.

    Args:
        methods: The methods that are served.
        endings: Status and reason of each way in which a call can fail.
        models: Models that get a label of their own, as do those with a price.
        provider: Who provides them, by OpenTelemetry's name.
        prices: What tokens cost.

    Attributes:
        registry: Holds them all, for exposition.
        port: Those of the metrics port itself.
        tls: Those of TLS, once the port speaks it.
    """

    def __init__(
        self,
        methods: Iterable[Method],
        endings: Iterable[tuple[str, str]],
        models: Iterable[str],
        provider: str = "openai",
        prices: Iterable[Price] = (),
    ) -> None:
        declared = Declarations()
        self.registry = declared.registry
        self.port = declared.port
        self._declared = declared
        self.tls: TlsMetrics | None = None
        by_name = {price.model: price for price in prices}
        self._models = {
            model: ModelSeries(declared, model, provider, by_name.get(model))
            for model in sorted({*models, *by_name})
        }
        self._other = ModelSeries(declared, OTHER_MODEL, provider, price=None)
        self._methods = {method: MethodSeries(declared, method) for method in methods}
        # Looked up now, so that all that can be counted is there at 0.
        self._errors = {ending: declared.errors.labels(*ending) for ending in endings}
        rejections = sorted(labels.CALLERS_REASONS | labels.TURNED_AWAY)
        self._rejected = {reason: declared.rejected.labels(reason) for reason in rejections}
        self._cancelled = {phase: declared.cancelled.labels(phase.value) for phase in Phase}
        self._connection_failures = {
            cause: declared.connection_failures.labels(cause.value) for cause in Cause
        }
        self._spans_dropped = {
            reason: declared.spans_dropped.labels(reason.value) for reason in Dropped
        }

    def watch_tasks_of(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell the tasks of `loop` from now on, counted whenever the metrics are read."""
        self._declared.tasks.set_function(lambda: len(asyncio.all_tasks(loop)))

    def with_tls(self) -> TlsMetrics:
        """Add the metrics of TLS."""
        self.tls = TlsMetrics(self.registry)
        return self.tls

    def note_call(self, peer: str) -> None:
        """Note that a call came on the connection of `peer`, health checks included."""
        if self.tls:
            self.tls.note_call(peer)

    def set_limits(self, streams: int, queued: int, request_bytes: int) -> None:
        """Set how many answers may be streamed at once, and what else is limited."""
        self._declared.streams_limit.set(streams)
        self._declared.queue_limit.set(queued)
        self._declared.request_bytes_limit.set(request_bytes)

    def watch_load(
        self, in_flight: Callable[[], int], queued: Callable[[], int], held: Callable[[], int]
    ) -> None:
        """Read the load from these functions whenever the metrics are read.

        Args:
            in_flight: Returns how many answers are being streamed.
            queued: Returns how many calls wait for a slot.
            held: Returns how many bytes the requests of all calls have.
        """
        self._declared.streams.set_function(in_flight)
        self._declared.queue.set_function(queued)
        self._declared.request_bytes.set_function(held)

    def set_watches(self, watches: int) -> None:
        """Set how many Watch calls of the health service are open."""
        self._declared.watches.set(watches)

    def set_reflection_streams(self, streams: int) -> None:
        """Set how many streams of reflection are open."""
        self._declared.reflection_streams.set(streams)

    def watch_reserved(self, reserved: Callable[[], int]) -> None:
        """Tell how many free places are kept for others, asked whenever the metrics are read."""
        self._declared.reserved.set_function(reserved)

    def observe_accept_wait(self, seconds: float) -> None:
        """Note how long a call waited in gRPC."""
        self._declared.accept_wait.observe(seconds)

    def count_shed(self, method: Method, status: str, reason: str) -> None:
        """Count a call that was rejected before anything else was done for it."""
        series = self._methods[method]
        self._declared.shed.inc()
        series.started.inc()
        series.handled[status].inc()
        self._other.outcomes[Outcome.REJECTED].inc()
        self._errors[status, reason].inc()
        self._rejected[reason].inc()
        series.handling.observe(0)
        self._other.durations(reason)[0].observe(0)

    def watch_held(self, incomplete: Callable[[], int], undelivered: Callable[[], int]) -> None:
        """Tell from now on how many calls have no message yet, and how many an untaken status.

        Both are counted whenever the metrics are read.
        """
        self._declared.incomplete_requests.set_function(incomplete)
        self._declared.undelivered_statuses.set_function(undelivered)

    def count_reset(self, calls: int) -> None:
        """Count calls whose stream was reset because the status was not taken."""
        self._declared.streams_reset.inc(calls)

    def set_draining(self) -> None:
        """Tell that the process stops."""
        self._declared.draining.set(1)

    def observe_lag(self, seconds: float) -> None:
        """Note how late the event loop was."""
        self._declared.lag.observe(seconds)

    def count_dropped(self, spans: int, reason: Dropped) -> None:
        """Count spans that were lost; any thread may call this."""
        self._spans_dropped[reason].inc(spans)

    def start(self, call: CallRecord) -> None:
        """Count a call that begins."""
        self.note_call(call.peer)
        method = self._methods[call.method]
        method.started.inc()
        method.received.inc()

    def observe(self, call: CallRecord) -> None:
        """Count a call that has ended."""
        method = self._methods[call.method]
        series = self._models.get(call.model, self._other)
        outcome = _outcome(call)
        method.handled[call.status].inc()
        method.sent.inc(call.answers_sent)
        series.outcomes[outcome].inc()
        output = series.count_tokens(call)
        if call.status != OK:
            self._errors[call.status, call.reason].inc()
        if outcome is Outcome.REJECTED:
            self._rejected[call.reason].inc()
        elif outcome is Outcome.CANCELLED:
            self._cancelled[_phase(call)].inc()
        if outcome in (Outcome.CANCELLED, Outcome.DEADLINE):
            series.abandoned_tokens.inc(output)
            _observe_abandoned(call, outcome, series)
        if call.completion and call.status == OK:
            series.finish_reasons[call.completion.finish_reason].inc()
        for reason in call.attempts.retries:
            series.upstream_retries[reason].inc()
            series.upstream_errors[reason].inc()
        for cause in call.attempts.failures:
            self._connection_failures[cause].inc()
        if call.reason in labels.UPSTREAM_REASONS and call.attempts.asked:
            series.upstream_errors[call.reason].inc()
        self._observe_times(call, method, series)

    def _observe_times(self, call: CallRecord, method: MethodSeries, series: ModelSeries) -> None:
        exemplar = _exemplar(call)
        seconds = call.ended - call.started
        error_type = labels.NO_ERROR if call.status == OK else call.reason
        request_duration, operation_duration = series.durations(error_type)
        method.handling.observe(seconds, exemplar)
        request_duration.observe(seconds, exemplar)
        attempts = call.attempts
        if attempts.asked:
            operation_duration.observe(call.ended - attempts.asked, exemplar)
        if call.queued:
            self._declared.queue_wait.observe(call.queued, exemplar)
        if not call.first_token:
            return
        series.first_token.observe(call.first_token - call.started, exemplar)
        if call.tokens > 1:
            mean = (call.last_token - call.first_token) / (call.tokens - 1)
            series.per_output_token.observe(mean, exemplar)
        if attempts.sent and attempts.read:
            ours = (attempts.sent - call.started) + (call.first_token - attempts.read)
            self._declared.overhead.observe(ours, exemplar)


def _observe_abandoned(call: CallRecord, outcome: Outcome, series: ModelSeries) -> None:
    """Note how long a caller who left had waited for a token, if a token is what it waited for."""
    if not call.attempts.asked or call.deadline.writing:
        # Nobody was asked for a token, or one was there and the caller did not read it.
        return
    waited = call.ended - (call.last_token or call.started)
    series.abandoned_wait[outcome, _phase(call)].observe(waited, _exemplar(call))


def _exemplar(call: CallRecord) -> dict[str, str] | None:
    return {"trace_id": call.trace_id} if call.trace_id else None


def _phase(call: CallRecord) -> Phase:
    return Phase.STREAMING if call.tokens else Phase.WAITING


def _outcome(call: CallRecord) -> Outcome:
    match call.status:
        case "OK":
            return Outcome.OK
        case "CANCELLED":
            return Outcome.CANCELLED
        case "DEADLINE_EXCEEDED":
            return Outcome.DEADLINE
    turned_away = call.reason in labels.TURNED_AWAY and not call.attempts.asked
    if turned_away or call.reason in labels.CALLERS_REASONS:
        return Outcome.REJECTED
    return Outcome.ERROR
