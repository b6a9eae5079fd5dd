"""What Prometheus sees of the process."""

from tokenwire.observability.metrics.labels import OTHER_MODEL, Dropped
from tokenwire.observability.metrics.observation import Metrics

__all__ = ["OTHER_MODEL", "Dropped", "Metrics"]
