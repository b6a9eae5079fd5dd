"""The OTLP exporter over HTTP, with the cause of its last failure."""

from typing import Any, Final

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from tokenwire.observability.traces.span_export import Loss, LossCause

OK: Final = range(200, 300)
REDIRECTION: Final = range(300, 400)
MAX_BODY_BYTES: Final = 65_536
"""The most bytes of a response body that are read; larger bodies close the connection. A
collector's body only says how many spans it rejected."""


class HttpExporter(OTLPSpanExporter):
    """The SDK's exporter, which also records why a request failed.

    Args:
        endpoint: The complete URL; None for the SDK's default.

    Attributes:
        loss: Why the last failed request failed.
    """

    loss = Loss(LossCause.OTHER)

    def __init__(self, endpoint: str | None) -> None:
        super().__init__(endpoint=endpoint, session=_Session(self))


class _Session(requests.Session):
    """Records why each request failed; the SDK only logs it, together with the host."""

    def __init__(self, exporter: HttpExporter) -> None:
        super().__init__()
        self._exporter = exporter

    def request(self, *args: Any, **options: Any) -> requests.Response:
        try:
            response = super().request(*args, **(options | {"stream": True}))
            _read_or_close(response)
        except requests.RequestException as error:
            self._exporter.loss = Loss(_cause(error))
            raise
        if response.status_code not in OK:
            self._exporter.loss = Loss(LossCause.REJECTED, str(response.status_code))
        if response.status_code in REDIRECTION:
            # Redirects are not followed, and the SDK would treat them as success.
            raise requests.TooManyRedirects
        return response


def _read_or_close(response: requests.Response) -> None:
    """Read and discard a small body, so that the connection can be reused, or close it.

    By default, requests reads a body of any size into memory.
    """
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdecimal() and int(length) <= MAX_BODY_BYTES:
        response.raw.read(MAX_BODY_BYTES)
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
