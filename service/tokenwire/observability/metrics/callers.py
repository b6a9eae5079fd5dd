"""The metrics of callers."""

from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from tokenwire.core.call_record import CallRecord
from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.labels import Outcome, TokenType
from tokenwire.observability.metrics.removed_names import RemovedNames
from tokenwire.observability.prometheus_values import Counter


class CallerMetrics:
    """What each caller has used. The label is a name of the gateway file, so it is bounded.

    Args:
        registry: The registry to add the metrics to.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        caller = (labels.CALLER,)
        self._calls = Counter(
            "tokenwire_caller_calls",
            "With callers in the gateway file: calls by caller and outcome.",
            (*caller, labels.OUTCOME),
            registry=registry,
        )
        self._tokens = Counter(
            "tokenwire_caller_tokens",
            "With callers in the gateway file: tokens of calls that ended, by caller.",
            (*caller, labels.TOKEN_TYPE),
            registry=registry,
        )
        self._cost = Counter(
            "tokenwire_caller_cost_dollars",
            "With callers in the gateway file: price of the tokens by caller, of models that have "
            "a price.",
            caller,
            registry=registry,
        )
        # Looked up once, because that takes longer than counting.
        self._series: dict[str, _Series] = {}
        self._names: set[str] = set()
        self._removed = RemovedNames(self._drop)

    def set_callers(self, names: set[str]) -> None:
        """Set the callers; the series of one that is removed are kept for some time."""
        for name in sorted(names):
            self._of(name)
        self._removed.update(self._names - names, names)
        self._names = names

    def observe(self, call: CallRecord, outcome: Outcome) -> None:
        """Count a call of a caller that has ended."""
        if call.caller is None:
            return
        series = self._of(call.caller.name)
        series.calls[outcome].inc()
        usage = call.used
        series.input_tokens.inc(usage.input_tokens)
        series.output_tokens.inc(usage.output_tokens)
        if call.price and call.usage:
            series.cost.inc(call.price.cost(usage))

    def count_rejected(self, name: str) -> None:
        """Count a call of a caller that was rejected before it began."""
        self._of(name).calls[Outcome.REJECTED].inc()

    def _of(self, name: str) -> "_Series":
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = _Series(
                {outcome: self._calls.labels(name, outcome.value) for outcome in Outcome},
                self._tokens.labels(name, TokenType.INPUT.value),
                self._tokens.labels(name, TokenType.OUTPUT.value),
                self._cost.labels(name),
            )
        return series

    def _drop(self, name: str) -> None:
        self._series.pop(name, None)
        for metric in (self._calls, self._tokens, self._cost):
            metric.remove_by_labels({labels.CALLER: name})


class _Series(NamedTuple):
    """The series of one caller."""

    calls: Mapping[Outcome, Counter]
    input_tokens: Counter
    output_tokens: Counter
    cost: Counter
