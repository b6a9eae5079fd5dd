"""The metric series of one model, looked up once."""

from functools import cached_property

from prometheus_client import Counter, Histogram

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import FinishReason
from tokenwire.core.method import CHAT
from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.declarations import Declarations
from tokenwire.observability.metrics.labels import Outcome, Phase, TokenType


class ModelSeries:
    """All series that are labelled with one model.

    Args:
        declared: The declared metrics.
        model: The label value.
        provider: The provider's name in OpenTelemetry's conventions.
    """

    def __init__(self, declared: Declarations, model: str, provider: str) -> None:
        gen_ai = (CHAT, provider, model)
        self._provider = provider
        self._declared = declared
        self._model = model
        self.first_token = declared.first_token.labels(*gen_ai)
        self.per_output_token = declared.per_output_token.labels(*gen_ai)
        self._input_usage = declared.token_usage.labels(*gen_ai, TokenType.INPUT.value)
        self._output_usage = declared.token_usage.labels(*gen_ai, TokenType.OUTPUT.value)
        self.outcomes = {
            outcome: declared.outcomes.labels(outcome.value, model) for outcome in Outcome
        }
        self._finish_reasons = {
            reason: declared.finish_reasons.labels(reason.value, model) for reason in FinishReason
        }
        self._tokens = {kind: declared.tokens.labels(model, kind.value) for kind in TokenType}
        self._tool_calls = declared.tool_calls.labels(model)
        self._refusals = declared.refusals.labels(model)
        self.abandoned_tokens = declared.abandoned_tokens.labels(model)
        self.abandoned_wait = {
            (outcome, phase): declared.abandoned_wait.labels(outcome.value, phase.value, model)
            for outcome in (Outcome.CANCELLED, Outcome.DEADLINE)
            for phase in Phase
        }
        self.upstream_errors = self._by_reason(declared.upstream_errors)
        self.upstream_retries = self._by_reason(declared.upstream_retries)
        self._durations: dict[tuple[str, str], tuple[Histogram, Histogram]] = {}
        self.durations(CHAT, labels.NO_ERROR)

    def durations(self, operation: str, error_type: str) -> tuple[Histogram, Histogram]:
        """Return the histograms of request and operation durations for an error type.

        Args:
            operation: See `Method`.
            error_type: The reason of the failure, or labels.NO_ERROR.
        """
        key = operation, error_type
        if key not in self._durations:
            names = (operation, self._provider, self._model, error_type)
            declared = self._declared
            self._durations[key] = (
                declared.request_duration.labels(*names),
                declared.operation_duration.labels(*names),
            )
        return self._durations[key]

    def add_cost(self) -> None:
        """Export the cost of the model's tokens, which is left out as long as no price is known."""
        _ = self._cost

    @cached_property
    def _cost(self) -> Counter:
        return self._declared.cost.labels(self._model)

    def count_tokens(self, call: CallRecord) -> int:
        """Count the call's tokens and their cost; return the number of output tokens."""
        usage = call.used
        if call.usage and call.method.operation == CHAT:
            self._input_usage.observe(usage.input_tokens)
            self._output_usage.observe(usage.output_tokens)
        elif call.usage:
            names = (call.method.operation, self._provider, self._model, TokenType.INPUT.value)
            self._declared.token_usage.labels(*names).observe(usage.input_tokens)
        self._tokens[TokenType.INPUT].inc(usage.input_tokens)
        self._tokens[TokenType.OUTPUT].inc(usage.output_tokens)
        # One by one, because most answers have none of them.
        if usage.cached_input_tokens:
            self._tokens[TokenType.CACHED].inc(usage.cached_input_tokens)
        if usage.reasoning_tokens:
            self._tokens[TokenType.REASONING].inc(usage.reasoning_tokens)
        if usage.cache_write_input_tokens:
            self._tokens[TokenType.CACHE_WRITE].inc(usage.cache_write_input_tokens)
        if usage.audio_input_tokens:
            self._tokens[TokenType.INPUT_AUDIO].inc(usage.audio_input_tokens)
        if usage.audio_output_tokens:
            self._tokens[TokenType.OUTPUT_AUDIO].inc(usage.audio_output_tokens)
        if call.price:
            self._cost.inc(call.price.cost(usage))
        return usage.output_tokens

    def count_ending(self, call: CallRecord) -> None:
        """Count how an answer ended, if the call has a complete one."""
        if call.completion is None:
            return
        self._finish_reasons[call.completion.finish_reason].inc()
        if call.completion.refused:
            self._refusals.inc()
        if call.tool_call_count:
            self._tool_calls.inc(call.tool_call_count)

    def _by_reason(self, counter: Counter) -> dict[str, Counter]:
        return {
            reason: counter.labels(reason, self._model)
            for reason in sorted(labels.UPSTREAM_REASONS)
        }
