"""Selects and validates the settings of OpenTelemetry.

OTEL_* variables are often set for a whole pod or by its platform, so a variable that is not used
is not validated and cannot prevent the service from starting.
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
    """Return the names of the exporters to use.

    Args:
        named: The names in OTEL_TRACES_EXPORTER.
        has_endpoint: Whether an OTLP endpoint is set, which selects OTLP if no name is given.

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
    """Require a valid endpoint and protocol; the variables of traces take precedence.

    Raises:
        PydanticCustomError: A value is invalid; the message names its variable.
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
        # `port` is accessed because urlsplit validates it only then.
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _problem(name: str, value: str, message: str) -> PydanticCustomError:
    # Escaped, because pydantic treats braces as fields of a template.
    text = f"{name}={shown(value)}: {message}".replace("{", "{{").replace("}", "}}")
    return PydanticCustomError("tracing", text)
