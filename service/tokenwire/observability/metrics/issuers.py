"""The metrics of the issuers of callers' tokens."""

from collections.abc import Callable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry

from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.labels import IssuerFetchResult
from tokenwire.observability.metrics.removed_names import RemovedNames
from tokenwire.observability.prometheus_values import Counter, Gauge

FetchedAt = Callable[[], float | None]
"""Returns when keys were fetched, in Unix seconds; None if never."""


class IssuerMetrics:
    """The metrics of token issuers. The label is a name of the gateway file, so it is bounded.

    Args:
        registry: The registry to add the metrics to.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        issuer = (labels.ISSUER,)
        self._fetches = Counter(
            "tokenwire_issuer_fetches",
            "With issuers in the gateway file: requests for the keys of an issuer, by result.",
            (*issuer, labels.RESULT),
            registry=registry,
        )
        self._fetched_at = Gauge(
            "tokenwire_issuer_keys_timestamp_seconds",
            "With issuers in the gateway file: when the keys of an issuer were last received, in "
            "Unix seconds; 0 if never.",
            issuer,
            registry=registry,
        )
        self._names: set[str] = set()
        self._removed = RemovedNames(self._drop)

    def set_issuers(self, fetched_at: Mapping[str, FetchedAt]) -> None:
        """Set the issuers; the counters of one that is removed are kept for some time.

        Args:
            fetched_at: Tells when the keys of each issuer were fetched, read at each scrape.
        """
        for name in self._names - fetched_at.keys():
            self._fetched_at.remove(name)
        for name, function in fetched_at.items():
            for result in IssuerFetchResult:
                self._fetches.labels(name, result.value)
            self._fetched_at.labels(name).set_function(partial(_number, function))
        self._removed.update(self._names - fetched_at.keys(), fetched_at)
        self._names = {*fetched_at}

    def count_fetch(self, issuer: str, result: IssuerFetchResult) -> None:
        """Count a request for keys that ended."""
        self._fetches.labels(issuer, result.value).inc()

    def _drop(self, name: str) -> None:
        self._fetches.remove_by_labels({labels.ISSUER: name})


def _number(fetched_at: FetchedAt) -> float:
    return fetched_at() or 0.0
