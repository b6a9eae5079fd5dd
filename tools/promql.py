"""The parts that the panels' PromQL is made of."""

from typing import Final

SERVICE: Final = 'namespace=~"$namespace", job=~"$job"'
"""Selects the services that are chosen, by the labels by which alerts tell services apart."""
PROCESS: Final = f'{SERVICE}, instance=~"$instance"'
"""Selects the chosen processes; workers have a label of their own below it."""
MODEL: Final = f'{PROCESS}, gen_ai_request_model=~"$model"'


def gauge(metric: str, labels: str = PROCESS) -> str:
    """Return a gauge of every process."""
    return f"{metric}{{{labels}}}"


def rate(metric: str, labels: str = PROCESS) -> str:
    """Return the rate of a counter's series."""
    return f"rate({metric}{{{labels}}}[$__rate_interval])"


def total(metric: str, labels: str = PROCESS, by: str = "") -> str:
    """Return the rate of a counter, added up over all series but for the labels in `by`."""
    return f"sum{f' by ({by})' if by else ''} ({rate(metric, labels)})"


def quantile(share: float, histogram: str, labels: str = PROCESS, by: str = "") -> str:
    """Return a quantile of a histogram, of all series together but for the labels in `by`."""
    buckets = total(f"{histogram}_bucket", labels, f"{by}, le" if by else "le")
    return f"histogram_quantile({share}, {buckets})"
