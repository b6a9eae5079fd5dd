"""The series of one method, looked up once and kept."""

from grpc import StatusCode

from tokenwire.core.method import Method
from tokenwire.observability.metrics.declarations import Declarations


class MethodSeries:
    """All series that have the method as labels.

    Args:
        declared: The metrics.
        method: The labels.
    """

    def __init__(self, declared: Declarations, method: Method) -> None:
        names = (method.type.value, method.service, method.name)
        self.started = declared.started.labels(*names)
        self.received = declared.received.labels(*names)
        self.sent = declared.sent.labels(*names)
        self.handling = declared.handling.labels(*names)
        self.handled = {
            code.name: declared.handled.labels(*names, code.name) for code in StatusCode
        }
