"""The list of metrics in docs/metrics.md."""

from pathlib import Path
from typing import Final

from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from documents import code, table, write
from tokenwire.metrics import OTHER_MODEL, Metrics, labels
from tokenwire.metrics.labels import Outcome

SUFFIXES: Final = {"counter": "_total", "info": "_info"}
"""What Prometheus' text format adds to the names of these types."""

INTRODUCTION: Final = """\
# Metrics

Prometheus reads them from `/metrics` at `TOKENWIRE_METRICS_LISTEN`, in its text format or, if it
asks for that, in OpenMetrics. There the histograms of times have exemplars: the id of a trace that
fell into the bucket, if its span is recorded. Names follow OpenTelemetry's GenAI conventions in
Prometheus' spelling and go-grpc-middleware where they have one. The endpoint also has the usual
`process_*` and `python_*` metrics of Python's Prometheus client.

All of a call is counted when it ends, before its status is sent; only `grpc_server_started_total`
and `grpc_server_msg_received_total` count its begin. Health checks and reflection are not counted.
Counters whose labels are known beforehand are there at 0 from the start, so that `rate()` sees the
first event.
"""

LABELS: Final = {
    labels.MODEL: "One of the models that `TOKENWIRE_MODEL`, `TOKENWIRE_MODELS` and "
    f"`TOKENWIRE_PRICES` name, and `{OTHER_MODEL}` for every other and for calls that failed "
    "before their model was known; callers cannot make series.",
    "gen_ai_operation_name": f"Always `{labels.CHAT}`.",
    "gen_ai_provider_name": "OpenTelemetry's name of `TOKENWIRE_PROVIDER`.",
    labels.DIRECTION: "`input`, `output`, `cached` (a part of the input) or `reasoning` (a part of "
    "the output).",
    labels.ERROR_TYPE: "Empty for calls that ended with OK, else as `reason`.",
    labels.CODE: "Name of the gRPC status code.",
    "grpc_type": f"Always `{labels.SERVER_STREAM}`.",
    "grpc_service": "Always `openai.Chatgpt`.",
    "grpc_method": "Always `Send`.",
    labels.REASON: "One of [the reasons of failures](errors.md), or `CANCELLED` or "
    "`DEADLINE_EXCEEDED`. Of spans: `export` if the collector did not take them, `queue` if too "
    "many waited for it.",
    labels.FINISH_REASON: "`stop`, `length`, `tool_calls` or `other`.",
    labels.PHASE: "`before_first_token` or `streaming`.",
    labels.OUTCOME: "Each call has one; see below.",
    "version": "Of tokenwire.",
    "python": "Version of Python.",
}

OUTCOMES: Final = {
    Outcome.OK: "The status is OK: the answer was whole.",
    Outcome.CANCELLED: "The caller cancelled the call, or its connection was lost. No error of "
    "the service.",
    Outcome.DEADLINE: "The caller's own deadline passed.",
    Outcome.REJECTED: "The caller's request or its reading was at fault "
    f"({', '.join(map(code, sorted(labels.CALLERS_REASONS)))}), or the service took no more calls "
    f"({', '.join(map(code, sorted(labels.TURNED_AWAY)))}, if the model was not asked yet).",
    Outcome.ERROR: "Everything else: the service or its upstream failed. Availability is "
    "`ok / (ok + error)`.",
}


def metrics_doc(root: Path) -> None:
    """Write docs/metrics.md."""
    parts = (
        INTRODUCTION,
        metrics_table(),
        f"## Labels\n\n{_label_table()}",
        f"## Outcomes\n\n{_outcome_table()}",
        f"## Buckets\n\nUpper bounds of the histograms, in seconds or tokens.\n\n{_bucket_list()}",
    )
    write(root / "docs" / "metrics.md", "service/tokenwire/metrics/declarations.py", *parts)


def metrics_table() -> str:
    """Return the service's own metrics as a Markdown table."""
    rows = []
    for metric in _metrics():
        [family] = metric.describe()
        labels = ", ".join(map(code, _labels(metric))) or "none"
        rows.append((code(_name(metric)), family.type, labels, family.documentation))
    return table(("Name", "Type", "Labels", "Meaning"), rows)


def _label_table() -> str:
    names = dict.fromkeys(name for metric in _metrics() for name in _labels(metric))
    return table(("Label", "Values"), [(code(name), LABELS[name]) for name in names])


def _outcome_table() -> str:
    rows = [(code(outcome.value), meaning) for outcome, meaning in OUTCOMES.items()]
    return table(("Outcome", "Calls"), rows)


def _bucket_list() -> str:
    return "\n".join(
        f"- {code(_name(metric))}: {', '.join(f'{bound:.10g}' for bound in _bounds(metric))}"
        for metric in _metrics()
        if isinstance(metric, Histogram)
    )


def _metrics() -> list[MetricWrapperBase]:
    # The registry's public side shows a metric's labels only once it has samples.
    collectors = Metrics(()).registry._collector_to_names  # noqa: SLF001 - see above
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
