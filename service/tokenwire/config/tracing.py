"""Which of OpenTelemetry's variables count, and what is wrong with those that do.

They are often set for all of a pod, or by its platform: what would not be used does not
keep the service from starting.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

from tokenwire.config.problems import shown

OTLP: Final = "otlp"
NONE: Final = "none"
EXPORTERS: Final = (OTLP, "console", NONE)
PROTOCOLS: Final = ("grpc", "http/protobuf")

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
PROTOCOL: Final = "OTEL_EXPORTER_OTLP_PROTOCOL"
TRACES_PROTOCOL: Final = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
TRACES_EXPORTER: Final = "OTEL_TRACES_EXPORTER"


def span_exporters(named: Sequence[str], *, has_endpoint: bool) -> tuple[str, ...]:
    """Return the exporters to use, by name.

    Args:
        named: The names in OTEL_TRACES_EXPORTER.
        has_endpoint: Whether an OTLP endpoint is set.

    Raises:
        PydanticCustomError: A name is unknown, or `none` is not alone.
    """
    named = tuple(dict.fromkeys(named))
    if not named:
        return (OTLP,) if has_endpoint else ()
    if not set(named) <= set(EXPORTERS) or (NONE in named and len(named) > 1):
        raise _problem(
            TRACES_EXPORTER,
            ",".join(named),
            "must be otlp, console, or both separated by a comma, or none",
        )
    return () if NONE in named else named


def require_usable_otlp(
    endpoint: str | None,
    traces_endpoint: str | None,
    protocol: str,
    traces_protocol: str | None,
) -> None:
    """Require an endpoint and a protocol that can be used.

    Raises:
        PydanticCustomError: One of them cannot; the message names it.
    """
    name, url = (TRACES_ENDPOINT, traces_endpoint) if traces_endpoint else (ENDPOINT, endpoint)
    if url and not _is_url(url):
        raise _problem(
            name,
            url,
            "must begin with http:// or https:// and name a host, as in http://collector:4317",
        )
    name, value = (TRACES_PROTOCOL, traces_protocol) if traces_protocol else (PROTOCOL, protocol)
    if value not in PROTOCOLS:
        raise _problem(name, value, "must be grpc or http/protobuf")


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        # Looked at, because a port that is none is noticed only then.
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _problem(name: str, value: str, message: str) -> PydanticCustomError:
    # Braces would be taken for fields of the message.
    text = f"{name}={shown(value)}: {message}".replace("{", "{{").replace("}", "}}")
    return PydanticCustomError("tracing", text)
