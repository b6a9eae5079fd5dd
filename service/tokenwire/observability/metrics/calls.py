"""Counts calls: each once at its start and once at its end, never per token."""

from collections.abc import Collection, Iterable
from typing import Final

from tokenwire.core.attempts import Cause
from tokenwire.core.call_record import CallRecord
from tokenwire.core.method import CHAT, Method
from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.by_method import MethodSeries
from tokenwire.observability.metrics.by_model import ModelSeries
from tokenwire.observability.metrics.callers import CallerMetrics
from tokenwire.observability.metrics.declarations import Declarations
from tokenwire.observability.metrics.labels import OTHER_MODEL, Outcome, Phase
from tokenwire.observability.metrics.limits import LimitMetrics
from tokenwire.observability.metrics.removed_names import RemovedNames
from tokenwire.observability.metrics.tls import TlsMetrics

OK: Final = "OK"


class CallMetrics:
    """The metrics of calls.

    Args:
        declared: The metrics.
        methods: The methods that are served.
        endings: The status and reason of each possible failure of a call.
        provider: The provider's name in OpenTelemetry's conventions.

    Attributes:
        tls: The metrics of TLS; None without TLS.
        callers: The metrics of callers; None without a gateway file.
        limits: The metrics of callers' limits; None without a gateway file.
    """

    def __init__(
        self,
        declared: Declarations,
        methods: Iterable[Method],
        endings: Iterable[tuple[str, str]],
        provider: str,
    ) -> None:
        self._declared = declared
        self.tls: TlsMetrics | None = None
        self.callers: CallerMetrics | None = None
        self.limits: LimitMetrics | None = None
        self._provider = provider
        self._models: dict[str, ModelSeries] = {}
        self._removed_models = RemovedNames(self._drop_model)
        self._other = ModelSeries(declared, OTHER_MODEL, provider)
        self._methods = {method: MethodSeries(declared, method) for method in methods}
        # Looked up now, so that every series exists at 0 before its first event.
        self._errors = {ending: declared.errors.labels(*ending) for ending in endings}
        rejections = sorted(labels.CALLERS_REASONS | labels.NOT_ACCEPTED)
        self._rejected = {reason: declared.rejected.labels(reason) for reason in rejections}
        self._cancelled = {phase: declared.cancelled.labels(phase.value) for phase in Phase}
        self._connection_failures = {
            cause: declared.connection_failures.labels(cause.value) for cause in Cause
        }

    def set_models(self, models: Collection[str], priced: Collection[str]) -> None:
        """Set the models that have a label of their own.

        Calls of a model that is removed may still run, so its series are kept for some time; see
        `RemovedNames`.

        Args:
            models: The names of the models.
            priced: Those of them that have a price, and further names with a label of their own.
        """
        names = {*models, *priced}
        for name in sorted(names - self._models.keys()):
            self._models[name] = ModelSeries(self._declared, name, self._provider)
        for name in sorted(priced):
            self._models[name].add_cost()
        self._removed_models.update(self._models.keys() - names, names)

    def _drop_model(self, name: str) -> None:
        del self._models[name]
        self._declared.remove_model(name)

    def note_call(self, peer: str) -> None:
        """Record a call, health checks included, on the connection of `peer`."""
        if self.tls:
            self.tls.note_call(peer)

    def count_shed(self, method: Method, status: str, reason: str, caller: str | None) -> None:
        """Count a call that was shed before any other work was done for it.

        Args:
            method: The method.
            status: The name of the status.
            reason: The reason of the failure.
            caller: The caller's name; None if it is not known.
        """
        if self.callers and caller is not None:
            self.callers.count_rejected(caller)
        series = self._methods[method]
        self._declared.shed.inc()
        series.started.inc()
        series.handled[status].inc()
        self._other.outcomes[Outcome.REJECTED].inc()
        self._errors[status, reason].inc()
        self._rejected[reason].inc()
        series.handling.observe(0)
        if method.operation:
            self._other.durations(method.operation, reason)[0].observe(0)

    def start(self, call: CallRecord) -> None:
        """Count a call that starts."""
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
        self._observe_caller(call, outcome)
        if call.status != OK:
            self._errors[call.status, call.reason].inc()
        if outcome is Outcome.REJECTED:
            self._rejected[call.reason].inc()
        elif outcome is Outcome.CANCELLED:
            self._cancelled[_phase(call)].inc()
        if outcome in (Outcome.CANCELLED, Outcome.DEADLINE):
            series.abandoned_tokens.inc(output)
            _observe_abandoned(call, outcome, series)
        if call.status == OK:
            series.count_ending(call)
        for reason in call.attempts.retries:
            series.upstream_retries[reason].inc()
            series.upstream_errors[reason].inc()
        for cause in call.attempts.failures:
            self._connection_failures[cause].inc()
        # Without a request, all routes were open or full.
        if call.reason in labels.UPSTREAM_REASONS and call.attempts.first_sent:
            series.upstream_errors[call.reason].inc()
        self._observe_times(call, method, series)

    def _observe_caller(self, call: CallRecord, outcome: Outcome) -> None:
        if self.callers:
            self.callers.observe(call, outcome)
        if self.limits:
            self.limits.observe(call)

    def _observe_times(self, call: CallRecord, method: MethodSeries, series: ModelSeries) -> None:
        exemplar = _exemplar(call)
        seconds = call.ended - call.started
        error_type = labels.NO_ERROR if call.status == OK else call.reason
        method.handling.observe(seconds, exemplar)
        attempts = call.attempts
        if call.method.operation:
            request_duration, operation_duration = series.durations(
                call.method.operation, error_type
            )
            request_duration.observe(seconds, exemplar)
            if attempts.started:
                operation_duration.observe(call.ended - attempts.started, exemplar)
        if call.queued:
            self._declared.queue_wait.observe(call.queued, exemplar)
        if not call.first_token:
            return
        series.first_token.observe(call.first_token - call.started, exemplar)
        if call.tokens > 1:
            mean = (call.last_token - call.first_token) / (call.tokens - 1)
            series.per_output_token.observe(mean, exemplar)
        if attempts.first_sent and attempts.first_read:
            ours = (attempts.first_sent - call.started) + (call.first_token - attempts.first_read)
            self._declared.overhead.observe(ours, exemplar)


def _observe_abandoned(call: CallRecord, outcome: Outcome, series: ModelSeries) -> None:
    """Record how long a caller that left had waited for the next token.

    Nothing is recorded if no model was asked for an answer, or if the caller left a token unread.
    """
    asked = call.attempts.started and call.method.operation == CHAT
    if not asked or call.deadline.writing:
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
    not_accepted = call.reason in labels.NOT_ACCEPTED and not call.attempts.started
    if not_accepted or call.reason in labels.CALLERS_REASONS:
        return Outcome.REJECTED
    return Outcome.ERROR
