"""The metrics of callers."""

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
        self._names: set[str] = set()
        self._removed = RemovedNames(self._drop)

    def set_callers(self, names: set[str]) -> None:
        """Set the callers; the series of one that is removed are kept for some time."""
        for name in sorted(names):
            for outcome in Outcome:
                self._calls.labels(name, outcome.value)
            for kind in (TokenType.INPUT, TokenType.OUTPUT):
                self._tokens.labels(name, kind.value)
            self._cost.labels(name)
        self._removed.update(self._names - names, names)
        self._names = names

    def observe(self, call: CallRecord, outcome: Outcome) -> None:
        """Count a call of a caller that has ended."""
        if call.caller is None:
            return
        name = call.caller.name
        self._calls.labels(name, outcome.value).inc()
        usage = call.used
        self._tokens.labels(name, TokenType.INPUT.value).inc(usage.input_tokens)
        self._tokens.labels(name, TokenType.OUTPUT.value).inc(usage.output_tokens)
        if call.price and call.usage:
            self._cost.labels(name).inc(call.price.cost(usage))

    def count_rejected(self, name: str) -> None:
        """Count a call of a caller that was rejected before it began."""
        self._calls.labels(name, Outcome.REJECTED.value).inc()

    def _drop(self, name: str) -> None:
        for metric in (self._calls, self._tokens, self._cost):
            metric.remove_by_labels({labels.CALLER: name})
