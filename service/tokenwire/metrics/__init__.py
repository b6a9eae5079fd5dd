"""What Prometheus sees of the process."""

from tokenwire.metrics.labels import OTHER_MODEL, Dropped
from tokenwire.metrics.observation import Metrics

__all__ = ["OTHER_MODEL", "Dropped", "Metrics"]
