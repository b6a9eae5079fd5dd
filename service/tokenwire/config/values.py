"""The types of settings, with their parsing and validation."""

import ipaddress
import math
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

from tokenwire.core.prices import Price

MAX_PORT: Final = 65_535
GRPC_SCHEMES: Final = ("unix", "unix-abstract")
"""Not accepted as host names, because gRPC would listen on a Unix socket named like the port."""
PROVIDERS: Final = {"google_genai": "google-genai"}
"""The providers with an extra, by LangChain's names, where these differ."""
CAPTURE_CONTENT: Final = {
    "no_content": False,
    "event_only": False,
    "span_only": True,
    "span_and_event": True,
}


def _address(value: object) -> object:
    host, _, port = _decodable(str(value)).rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if (
        not host
        or host in GRPC_SCHEMES
        or (":" in host and not bracketed)
        or not (port.isascii() and port.isdecimal() and int(port) <= MAX_PORT)
    ):
        raise PydanticCustomError("address", "must be HOST:PORT, as in 127.0.0.1:50051")
    return value


def _loopback_address(value: object) -> object:
    host = str(_address(value)).rpartition(":")[0].strip("[]")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise PydanticCustomError(
            "loopback",
            "must be HOST:PORT on a loopback address, as in 127.0.0.1:50052, because it shows the "
            "addresses of all clients to everyone who reaches it",
        )
    return value


def _decodable(text: str) -> str:
    """Return `text` if it can be encoded as UTF-8.

    Python decodes invalid bytes of the environment as surrogates, and a metric with such a label
    could not be written.

    Raises:
        PydanticCustomError: The text has surrogates.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("text", "must be text in UTF-8") from None
    return text


def _split(value: object) -> object:
    if isinstance(value, str):
        _decodable(value)
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _prices(value: object) -> object:
    if isinstance(value, str):
        _decodable(value)
        return tuple(_price(entry.strip()) for entry in value.split(",") if entry.strip())
    return value


def _price(entry: str) -> Price:
    model, _, texts = entry.rpartition("=")
    try:
        dollars = [float(text) for text in texts.split(":")]
    except ValueError:
        dollars = []
    valid = all(math.isfinite(each) and each >= 0 for each in dollars)
    if not (model.strip() and len(dollars) in (2, 3) and valid):
        raise PydanticCustomError(
            "price",
            "must be MODEL=INPUT:OUTPUT or MODEL=INPUT:OUTPUT:CACHED, dollars per million "
            "tokens, separated by commas, as in gpt-4o-mini=0.15:0.6:0.075",
        )
    input_, output, *cached = dollars
    return Price(model.strip(), input_, output, *(cached or [input_]))


def _capture_content(value: object) -> object:
    return CAPTURE_CONTENT.get(str(value).lower(), value)


def _header(value: object) -> object:
    if isinstance(value, str):
        value = value.strip()
        if not (value and value.isascii() and value.isprintable()):
            raise PydanticCustomError("header", "must be printable ASCII and not blank")
    return value


Name = Annotated[str, StringConstraints(min_length=1, max_length=256, strip_whitespace=True)]
ProviderName = Annotated[Name, BeforeValidator(lambda value: PROVIDERS.get(value, value))]
"""The name of a provider: that of its extra, or LangChain's."""
Names = Annotated[frozenset[str], NoDecode, BeforeValidator(_split)]
"""Names, separated by commas."""

Protocols = Annotated[frozenset[Literal["aiplatform", "xai"]], NoDecode, BeforeValidator(_split)]
"""Names of protocols, separated by commas."""

LowerCase = Annotated[str, StringConstraints(to_lower=True, strip_whitespace=True)]
LowerCaseNames = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(lambda value: _split(_lower(value)))
]
"""Case-insensitive names, separated by commas."""

OtelFlag = Annotated[bool, BeforeValidator(lambda value: str(value).strip().lower() == "true")]
"""A boolean of OpenTelemetry: `true`, case-insensitive, is true; every other value is false."""

Prices = Annotated[tuple[Price, ...], NoDecode, BeforeValidator(_prices)]
"""The prices of models' tokens, separated by commas."""

CaptureContent = Annotated[bool, BeforeValidator(_capture_content)]
"""A boolean, or one of the values in CAPTURE_CONTENT that newer conventions define."""

Address = Annotated[str, BeforeValidator(_address)]
"""HOST:PORT, with an IPv6 host in brackets."""

LoopbackAddress = Annotated[str, BeforeValidator(_loopback_address)]
"""HOST:PORT that only this machine, or pod, can reach."""

Header = Annotated[Name | None, BeforeValidator(_header)]
SecretHeader = Annotated[SecretStr | None, BeforeValidator(_header)]
"""The value of an HTTP header of upstream requests."""

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
PositiveSeconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
