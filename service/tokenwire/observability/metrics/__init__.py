"""The Prometheus metrics of the process."""

from tokenwire.observability.metrics.labels import OTHER_MODEL, SpanDropReason
from tokenwire.observability.metrics.process import Metrics

__all__ = ["OTHER_MODEL", "Metrics", "SpanDropReason"]
