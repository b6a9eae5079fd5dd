"""The list of metrics in docs/metrics.md."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client import Histogram, Metric
from prometheus_client.metrics import MetricWrapperBase

from documents import code, table, write
from tokenwire.metrics import OTHER_MODEL, Metrics
from tokenwire.workers.metrics import LABEL, SUPERVISOR, own_metrics

HEAD: Final = ("Name", "Type", "Labels", "Meaning")
SUFFIXES: Final = {"counter": "_total", "info": "_info"}
"""What Prometheus' text format adds to the names of these types."""

INTRODUCTION: Final = f"""\
# Metrics

Prometheus reads them from `/metrics` at `TOKENWIRE_METRICS_LISTEN`. Names follow
OpenTelemetry's GenAI conventions in Prometheus' spelling where they have one. The endpoint also
has the usual `process_*` and `python_*` metrics of Python's Prometheus client.

The label `gen_ai_request_model` is one of the models that `TOKENWIRE_MODEL` and
`TOKENWIRE_MODELS` name, and `{OTHER_MODEL}` for every other, so that callers cannot make series.
`gen_ai_token_type` is `input`, `output`, `cached` (a part of the input) or `reasoning` (a part of
the output). `grpc_code` is the name of a gRPC status code, and `reason` one of
[the reasons of failures](errors.md), or CANCELLED or DEADLINE_EXCEEDED.
"""

WORKERS: Final = f"""\
## Workers

With `TOKENWIRE_WORKERS` above 1 the one endpoint shows the metrics of all workers. Each series
has the label `{LABEL}`, the worker's number, or `{SUPERVISOR}` for the process that looks after
them. Nothing is added up: `sum without ({LABEL}) (...)` is the whole. A worker that is replaced
begins at 0, as any process that is started anew; `rate` and `increase` expect that. What it
counted after the last scrape is lost with it. While a worker does not serve, it has no series but
these:
"""


def metrics_doc(root: Path) -> None:
    """Write docs/metrics.md."""
    buckets = "## Buckets\n\nUpper bounds of the histograms, in seconds.\n\n" + _bucket_list()
    parts = (INTRODUCTION, metrics_table(), WORKERS, _workers_table(), buckets)
    write(root / "docs" / "metrics.md", "service/tokenwire/metrics.py", *parts)


def metrics_table() -> str:
    """Return the service's own metrics as a Markdown table."""
    rows = []
    for metric in _metrics():
        [family] = metric.describe()
        rows.append(_row(family, _labels(metric)))
    return table(HEAD, rows)


def _workers_table() -> str:
    return table(HEAD, [_row(family, (LABEL,)) for family in own_metrics()])


def _row(family: Metric, labels: Iterable[str]) -> tuple[str, ...]:
    listed = ", ".join(map(code, labels)) or "none"
    return code(_name(family)), family.type, listed, family.documentation


def _bucket_list() -> str:
    return "\n".join(
        f"- {code(family.name)}: {', '.join(f'{bound:g}' for bound in _bounds(metric))}"
        for metric in _metrics()
        if isinstance(metric, Histogram)
        for family in metric.describe()
    )


def _metrics() -> list[MetricWrapperBase]:
    # The registry's public side shows a metric's labels only once it has samples.
    collectors = Metrics(frozenset()).registry._collector_to_names  # noqa: SLF001 - see above
    return [each for each in collectors if isinstance(each, MetricWrapperBase)]


def _name(family: Metric) -> str:
    return family.name + SUFFIXES.get(family.type, "")


def _labels(metric: MetricWrapperBase) -> tuple[str, ...]:
    [family] = metric.collect()
    if family.type == "info":
        return tuple(family.samples[0].labels)
    return tuple(metric._labelnames)  # noqa: SLF001 - see _metrics


def _bounds(metric: Histogram) -> list[float]:
    return metric._upper_bounds[:-1]  # noqa: SLF001 - see _metrics; the last is infinity
