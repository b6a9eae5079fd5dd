"""The metrics port: /metrics and /healthz over HTTP, within fixed bounds.

docs/adr/0018-metrics-server.md tells why it works as it does.
"""

from tokenwire.observability.metrics_server.limits import Limits
from tokenwire.observability.metrics_server.metrics import PortMetrics
from tokenwire.observability.metrics_server.server import MetricsServer

__all__ = ["Limits", "MetricsServer", "PortMetrics"]
