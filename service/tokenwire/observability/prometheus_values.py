"""The metric types of `prometheus_client`, configured to keep values in memory.

Modules that declare metrics import the types from here, because the configuration below must
run before the first metric is created.
"""

from prometheus_client import Counter, Gauge, Histogram, Info, disable_created_metrics, values

__all__ = ["Counter", "Gauge", "Histogram", "Info"]

# PROMETHEUS_MULTIPROC_DIR, which may be set for another program, would move every value into
# files in that directory and drop exemplars.
values.ValueClass = values.MutexValue
# Avoids a `_created` series for each counter and histogram, which nothing reads.
disable_created_metrics()  # type: ignore[no-untyped-call] # has no types
