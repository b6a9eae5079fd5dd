"""The metric series of one method, looked up once."""

from grpc import StatusCode

from tokenwire.core.method import Method
from tokenwire.observability.metrics.declarations import Declarations


class MethodSeries:
    """All series that are labelled with one method.

    Args:
        declared: The declared metrics.
        method: The method whose names are the label values.
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
