"""The metrics port: /metrics and /healthz over HTTP, within fixed bounds.

docs/adr/0018-metrics-server.md tells why it works as it does.
"""

from tokenwire.exposition.limits import Limits
from tokenwire.exposition.metrics import PortMetrics
from tokenwire.exposition.server import MetricsServer

__all__ = ["Limits", "MetricsServer", "PortMetrics"]
