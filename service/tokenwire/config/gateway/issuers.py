"""The issuers of tokens in the gateway file, and the tokens of callers."""

import ipaddress
import re
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from tokenwire.config.gateway.section import Section
from tokenwire.config.gateway.values import UpstreamName, Url

MAX_ISSUERS: Final = 32
MAX_CALLER_TOKENS: Final = 32
MAX_SUBJECT: Final = 1_024
NO_SPACE: Final = re.compile(r"[\x21-\x7e]+")


def is_private(url: str) -> bool:
    """Report whether nobody between can read or change what is fetched from a URL.

    This is so with https, and with http from this host. Whoever can change the keys of an issuer
    can make tokens of any caller.
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        return True
    host = parts.hostname or ""
    try:
        return parts.scheme == "http" and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return parts.scheme == "http" and host == "localhost"


def _private_url(value: str) -> str:
    if not is_private(value):
        raise PydanticCustomError("private_url", "must be https, or http on this host")
    return value


def _no_space(value: str) -> str:
    if not NO_SPACE.fullmatch(value):
        raise PydanticCustomError("no_space", "must be printable ASCII without spaces")
    return value


IssuerName = UpstreamName
Word = Annotated[str, Field(max_length=2_048), AfterValidator(_no_space)]


class IssuerSection(Section):
    """Who signs tokens of callers."""

    issuer: Word | None = Field(
        None,
        description="The claim `iss` of its tokens. Unset: that of the token in `token_file`.",
    )
    audience: Word = Field(
        description="The name of this service in the claim `aud` of its tokens.",
    )
    jwks_url: Annotated[Url, AfterValidator(_private_url)] | None = Field(
        None,
        description="Where its public keys are, as a JSON Web Key Set. Unset: as its discovery "
        "document says, at ISSUER/.well-known/openid-configuration.",
    )
    jwks_file: str | None = Field(
        None, max_length=4_096, description="A file with its public keys, instead of a URL."
    )
    ca_file: str | None = Field(
        None, max_length=4_096, description="PEM file with the authorities of its server."
    )
    token_file: str | None = Field(
        None,
        max_length=4_096,
        description="A file with the bearer token that its server requires. It is read at each "
        "request, and sent to the host of `jwks_url`, or of `issuer`, only.",
    )

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.jwks_file is not None:
            for name in ("jwks_url", "ca_file"):
                if getattr(self, name) is not None:
                    raise PydanticCustomError(
                        "issuer", f"cannot have `{name}` beside `jwks_file`; remove one of them"
                    )
        if self.issuer is None and self.token_file is None:
            raise PydanticCustomError("issuer", "must have `issuer`, or `token_file` to read it in")
        return self


class TokenSection(Section):
    """The tokens of a caller."""

    issuer: IssuerName = Field(description="Who signs them, by the name in `issuers`.")
    subject: Word = Field(
        max_length=MAX_SUBJECT,
        description="Their claim `sub`. A * stands for any characters, such as in "
        "system:serviceaccount:NAMESPACE:*.",
    )
