"""OTLP over HTTP, which remembers why spans were lost."""

from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from tokenwire.spans import Cause, Loss


class HttpExporter(OTLPSpanExporter):
    """The SDK's exporter.

    Args:
        endpoint: The whole URL, or None for the SDK's default.

    Attributes:
        loss: Why the latest request failed.
    """

    loss = Loss(Cause.OTHER)

    def __init__(self, endpoint: str | None) -> None:
        super().__init__(endpoint=endpoint, session=_Session(self))


class _Session(requests.Session):
    """Notes how each request ended; the original logs it, with the host, and forgets it."""

    def __init__(self, exporter: HttpExporter) -> None:
        super().__init__()
        self._exporter = exporter

    def request(self, *args: Any, **options: Any) -> requests.Response:
        try:
            response = super().request(*args, **options)
        except requests.RequestException as error:
            self._exporter.loss = Loss(_cause(error))
            raise
        if not response.ok:
            self._exporter.loss = Loss(Cause.REJECTED, str(response.status_code))
        return response


def _cause(error: requests.RequestException) -> Cause:
    match error:
        case requests.exceptions.SSLError():
            return Cause.TLS
        case requests.Timeout():
            return Cause.TIMEOUT
        case requests.ConnectionError():
            return Cause.UNREACHABLE
    return Cause.OTHER
