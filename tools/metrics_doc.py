"""The list of metrics in docs/metrics.md."""

from pathlib import Path
from typing import Final

from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from documents import code, table, write
from tokenwire.metrics import OTHER_MODEL, Metrics

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


def metrics_doc(root: Path) -> None:
    """Write docs/metrics.md."""
    buckets = "## Buckets\n\nUpper bounds of the histograms, in seconds.\n\n" + _bucket_list()
    parts = (INTRODUCTION, metrics_table(), buckets)
    write(root / "docs" / "metrics.md", "service/tokenwire/metrics.py", *parts)


def metrics_table() -> str:
    """Return the service's own metrics as a Markdown table."""
    rows = []
    for metric in _metrics():
        [family] = metric.describe()
        labels = ", ".join(map(code, _labels(metric))) or "none"
        rows.append((code(_name(metric)), family.type, labels, family.documentation))
    return table(("Name", "Type", "Labels", "Meaning"), rows)


def _bucket_list() -> str:
    return "\n".join(
        f"- {code(_name(metric))}: {', '.join(f'{bound:g}' for bound in _bounds(metric))}"
        for metric in _metrics()
        if isinstance(metric, Histogram)
    )


def _metrics() -> list[MetricWrapperBase]:
    # The registry's public side shows a metric's labels only once it has samples.
    collectors = Metrics(frozenset()).registry._collector_to_names  # noqa: SLF001 - see above
    return [each for each in collectors if isinstance(each, MetricWrapperBase)]


def _name(metric: MetricWrapperBase) -> str:
    [family] = metric.describe()
    return family.name + SUFFIXES.get(family.type, "")


def _labels(metric: MetricWrapperBase) -> tuple[str, ...]:
    [family] = metric.collect()
    if family.type == "info":
        return tuple(family.samples[0].labels)
    return tuple(metric._labelnames)  # noqa: SLF001 - see _metrics


def _bounds(metric: Histogram) -> list[float]:
    return metric._upper_bounds[:-1]  # noqa: SLF001 - see _metrics; the last is infinity
