"""The status of a process, for people and scripts."""

from tokenwire.observability.status.report import (
    CallerStatus,
    LimitStatus,
    ModelStatus,
    ProcessStatus,
    RouteStatus,
    UpstreamStatus,
)

__all__ = [
    "CallerStatus",
    "LimitStatus",
    "ModelStatus",
    "ProcessStatus",
    "RouteStatus",
    "UpstreamStatus",
]
