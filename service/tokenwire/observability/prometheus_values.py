"""The kinds of metrics of Prometheus' client, which keeps their values in memory.

Modules that declare metrics take the kinds from here: what is set below must be set first.
"""

from prometheus_client import Counter, Gauge, Histogram, Info, disable_created_metrics, values

__all__ = ["Counter", "Gauge", "Histogram", "Info"]

# PROMETHEUS_MULTIPROC_DIR, which may be meant for another program, would put every
# value into files of that folder, without exemplars.
values.ValueClass = values.MutexValue
# A second series beside every counter and histogram, which nothing reads.
disable_created_metrics()  # type: ignore[no-untyped-call] # has no types
