"""Generates docs/metrics.md, with the list of metrics."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client import Histogram, Metric
from prometheus_client.metrics import MetricWrapperBase

from documents import code, table, write
from metrics_labels import cause_table, label_table, outcome_table
from tokenwire.core.limits import CallerLimits
from tokenwire.observability.metrics import Metrics
from tokenwire.workers.metrics import LABEL, SUPERVISOR, supervisor_metrics

HEAD: Final = ("Name", "Type", "Labels", "Meaning")
SUFFIXES: Final = {"counter": "_total", "info": "_info"}
"""The suffixes of names in Prometheus' text format, by type."""

INTRODUCTION: Final = """\
# Metrics

Prometheus reads the metrics from `/metrics` at `TOKENWIRE_METRICS_LISTEN`, in its text format or
in OpenMetrics, and compressed by gzip if it asks for that. In OpenMetrics the histograms of times
have exemplars: the id of a trace in the bucket, if its span is recorded. Names follow
OpenTelemetry's GenAI conventions in Prometheus' spelling, and go-grpc-middleware, where these
have a name. The endpoint also has the usual `process_*` and `python_*` metrics of Python's
Prometheus client.

Everything about a call is counted when it ends, before its status is sent; only
`grpc_server_started_total` and `grpc_server_msg_received_total` count its start. Health checks and
reflection are not counted. Counters whose labels are known in advance exist at 0 from the start,
so that `rate()` includes the first event.
"""

WORKERS: Final = f"""\
## Workers

With `TOKENWIRE_WORKERS` above 1, one endpoint serves the metrics of all workers. Each series has
the label `{LABEL}`: the worker's number, or `{SUPERVISOR}` for the supervisor. The endpoint adds
nothing up; `sum without ({LABEL}) (...)` is the total. A worker that is replaced starts at 0, as
any process does after a restart; `rate` and `increase` handle that. What it counted after the last
scrape is lost. While a worker does not serve, it has only these series:
"""


def metrics_doc(root: Path) -> None:
    """Write docs/metrics.md."""
    parts = (
        INTRODUCTION,
        metrics_table(),
        f"## Labels\n\n{label_table(_all_labels())}",
        f"## Outcomes\n\n{outcome_table()}",
        f"## Causes\n\nWhy a connection to the upstream failed.\n\n{cause_table()}",
        f"{WORKERS}\n{_workers_table()}",
        f"## Buckets\n\nUpper bounds of the histograms, in seconds or tokens.\n\n{_bucket_list()}",
    )
    write(
        root / "docs" / "metrics.md",
        "service/tokenwire/observability/metrics/declarations.py",
        *parts,
    )


def metrics_table() -> str:
    """Return the service's own metrics as a Markdown table."""
    rows = []
    for metric in _metrics():
        [family] = metric.describe()
        rows.append(_row(family, _labels(metric)))
    return table(HEAD, rows)


def _workers_table() -> str:
    return table(HEAD, [_row(family, (LABEL,)) for family in supervisor_metrics()])


def _row(family: Metric, labels: Iterable[str]) -> tuple[str, ...]:
    listed = ", ".join(map(code, labels)) or "none"
    return code(_name(family)), family.type, listed, family.documentation


def _all_labels() -> Iterable[str]:
    return dict.fromkeys(name for metric in _metrics() for name in _labels(metric))


def _bucket_list() -> str:
    return "\n".join(
        f"- {code(family.name)}: {', '.join(f'{bound:.10g}' for bound in _bounds(metric))}"
        for metric in _metrics()
        if isinstance(metric, Histogram)
        for family in metric.describe()
    )


def _metrics() -> list[MetricWrapperBase]:
    # The registry's public interface has a metric's labels only once it has samples.
    metrics = Metrics((), (), ())
    metrics.with_tls()
    metrics.with_routes()
    metrics.with_callers()
    metrics.with_issuers()
    metrics.with_limits().set_callers({"caller": CallerLimits(1)}, lambda *_: {})
    metrics.with_limit_store().export(wanted=True)
    metrics.with_usage()
    collectors = metrics.registry._collector_to_names  # noqa: SLF001 - see above
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
