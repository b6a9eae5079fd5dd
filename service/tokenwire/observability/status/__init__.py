"""The status of a process, for people and scripts."""

from tokenwire.observability.status.report import (
    ModelStatus,
    ProcessStatus,
    RouteStatus,
    UpstreamStatus,
)

__all__ = ["ModelStatus", "ProcessStatus", "RouteStatus", "UpstreamStatus"]
