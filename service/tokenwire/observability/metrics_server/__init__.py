"""The metrics port: /metrics, /healthz and the status over HTTP, with bounded cost per client.

docs/adr/0018-metrics-server.md explains the design.
"""

from tokenwire.observability.metrics_server.limits import Limits
from tokenwire.observability.metrics_server.metrics import PortMetrics
from tokenwire.observability.metrics_server.server import MetricsServer
from tokenwire.observability.metrics_server.status import CollectStatus, StatusPages

__all__ = ["CollectStatus", "Limits", "MetricsServer", "PortMetrics", "StatusPages"]
