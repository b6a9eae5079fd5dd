"""The types of values in the gateway file."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)")
UNIT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}
MAX_SECONDS: Final = 86_400.0
UPSTREAM_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
REFERENCE: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,255}|file:[^\x00]{1,4096}")
HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
OWN_HEADERS: Final = frozenset(
    {
        *("accept", "accept-encoding", "authorization", "connection", "content-encoding"),
        *("content-length", "content-type", "expect", "host", "te", "trailer", "upgrade"),
        *("transfer-encoding", "proxy-authorization", "traceparent", "tracestate"),
    }
)
"""The headers that the service sets itself, or that concern one connection."""


def _duration(value: object) -> float:
    match = DURATION.fullmatch(value) if isinstance(value, str) else None
    seconds = float(match[1]) * UNIT_SECONDS[match[2]] if match else 0.0
    if not 0 < seconds <= MAX_SECONDS:
        raise PydanticCustomError(
            "duration", "must be a duration above 0 and up to 24h, such as 800ms, 30s, 2m or 1h"
        )
    return seconds


def _upstream_name(value: str) -> str:
    if not UPSTREAM_NAME.fullmatch(value):
        raise PydanticCustomError(
            "upstream_name",
            "must be 1 to 63 lower-case letters, digits and hyphens, and begin and end with a "
            "letter or digit",
        )
    return value


def _model_name(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise PydanticCustomError("model_name", "must be printable, without white space around it")
    return value


def _reference(value: object) -> object:
    # The text may be a secret that somebody wrote here, so no message repeats it.
    if not isinstance(value, str) or not REFERENCE.fullmatch(value):
        raise PydanticCustomError(
            "reference", "must be a reference to a secret: env:NAME or file:PATH"
        )
    return value


def _url(value: str) -> str:
    try:
        url = TypeAdapter(HttpUrl).validate_python(value)
    except ValidationError:
        url = None
    if url is None or url.fragment is not None:
        raise PydanticCustomError("url", "must be an http or https URL without a fragment")
    if url.username or url.password:
        raise PydanticCustomError(
            "url", "must have no user and no password; set `keys` or `headers`"
        )
    return value


def _header_name(value: str) -> str:
    if not HEADER_NAME.fullmatch(value):
        raise PydanticCustomError("header_name", "must be the name of an HTTP header")
    if value.lower() in OWN_HEADERS:
        raise PydanticCustomError(
            "header_name", "must not be a header that the service sets itself"
        )
    return value


def _header_value(value: str) -> str:
    if not (value.isascii() and value.isprintable()) or value != value.strip():
        raise PydanticCustomError(
            "header_value", "must be one line of printable ASCII, without white space around it"
        )
    return value


Duration = Annotated[
    float,
    BeforeValidator(
        _duration, json_schema_input_type=Annotated[str, Field(pattern=f"^(?:{DURATION.pattern})$")]
    ),
]
"""A duration in seconds, written as a number and a unit."""
UpstreamName = Annotated[str, AfterValidator(_upstream_name)]
ModelName = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_model_name)]
"""The name of a model: ours, or an upstream's."""
SecretReference = Annotated[
    str,
    BeforeValidator(
        _reference, json_schema_input_type=Annotated[str, Field(pattern="^(env|file):.+$")]
    ),
]
Url = Annotated[str, Field(max_length=2_048), AfterValidator(_url)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, Field(min_length=1, max_length=4_096), AfterValidator(_header_value)]
Price = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
"""Dollars per million tokens."""
