"""OTLP over HTTP, which remembers why spans were lost."""

from typing import Any, Final

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from tokenwire.observability.traces.span_export import Loss, LossCause

OK: Final = range(200, 300)
REDIRECTION: Final = range(300, 400)
MOST_BYTES: Final = 65_536
"""Of a response's body: that of a collector says how many spans it rejected."""


class HttpExporter(OTLPSpanExporter):
    """The SDK's exporter.

    Args:
        endpoint: The whole URL, or None for the SDK's default.

    Attributes:
        loss: Why the latest request failed.
    """

    loss = Loss(LossCause.OTHER)

    def __init__(self, endpoint: str | None) -> None:
        super().__init__(endpoint=endpoint, session=_Session(self))


class _Session(requests.Session):
    """Notes how each request ended; the original logs it, with the host, and forgets it."""

    def __init__(self, exporter: HttpExporter) -> None:
        super().__init__()
        self._exporter = exporter

    def request(self, *args: Any, **options: Any) -> requests.Response:
        try:
            response = super().request(*args, **(options | {"stream": True}))
            _let_go(response)
        except requests.RequestException as error:
            self._exporter.loss = Loss(_cause(error))
            raise
        if response.status_code not in OK:
            self._exporter.loss = Loss(LossCause.REJECTED, str(response.status_code))
        if response.status_code in REDIRECTION:
            # Redirects are not followed, and the original takes them for success.
            raise requests.TooManyRedirects
        return response


def _let_go(response: requests.Response) -> None:
    """Read the body if it is small, so that the connection can be used again, or close it.

    Nobody needs the body. By default all of it is read into memory, however much that is.
    """
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdecimal() and int(length) <= MOST_BYTES:
        response.raw.read(MOST_BYTES)
    else:
        response.close()


def _cause(error: requests.RequestException) -> LossCause:
    match error:
        case requests.exceptions.SSLError():
            return LossCause.TLS
        case requests.Timeout():
            return LossCause.TIMEOUT
        case requests.ConnectionError():
            return LossCause.UNREACHABLE
    return LossCause.OTHER
