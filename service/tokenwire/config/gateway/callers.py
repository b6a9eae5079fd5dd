"""The callers in the gateway file."""

import datetime as dt
import re
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from tokenwire.config.gateway.issuers import MAX_CALLER_TOKENS, TokenSection
from tokenwire.config.gateway.limits import LimitsSection
from tokenwire.config.gateway.section import Section
from tokenwire.config.gateway.values import ModelName
from tokenwire.core.certificates import MAX_NAME_CHARACTERS, URI_MARK

MAX_CALLERS: Final = 1_000
MAX_CALLER_KEYS: Final = 32
KEY_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
MAX_CERTIFICATES: Final = 32
URI_PATTERN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._~:@\[\]-]+(/[!-.0-~]+)*/?")
DNS_PATTERN: Final = re.compile(r"([A-Za-z0-9_*-]+\.)*[A-Za-z0-9_-]+")
CALLER_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
CALLER_NAME_RULE: Final = (
    "must be 1 to 63 lower-case letters, digits, dots, hyphens and underscores, and begin and end "
    "with a letter or digit"
)


def _key_hash(value: object) -> object:
    # The text may be a key that somebody wrote here, so no message repeats it.
    if not isinstance(value, str) or not KEY_HASH.fullmatch(value):
        raise PydanticCustomError(
            "key_hash", "must be sha256: and 64 hexadecimal digits, as `tokenwire keys new` prints"
        )
    return value


def _certificate(value: object) -> object:
    parts = value.split("/" if URI_MARK in value else ".") if isinstance(value, str) else []
    if (
        not isinstance(value, str)
        or len(value) > MAX_NAME_CHARACTERS
        or not (URI_PATTERN.fullmatch(value) or DNS_PATTERN.fullmatch(value))
        or any(part.count("*") > 1 for part in parts)
    ):
        raise PydanticCustomError(
            "certificate",
            "must be a URI such as spiffe://cluster.local/ns/team-a/sa/*, or a DNS name such as "
            "*.team-a.example.com, with one * at most between two slashes or dots, and none in "
            "the trust domain or the last label",
        )
    return value


def _caller_name(value: object) -> object:
    if not isinstance(value, str) or not CALLER_NAME.fullmatch(value):
        raise PydanticCustomError("caller_name", CALLER_NAME_RULE)
    return value


def _time(value: object) -> object:
    try:
        moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise PydanticCustomError(
            "time", "must be a date or a time, such as 2027-01-31 or 2027-01-31T12:00:00Z"
        )
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return moment.timestamp()


def _caller_key(value: object) -> object:
    return {"hash": value} if isinstance(value, str) else value


CallerName = Annotated[
    str,
    BeforeValidator(
        _caller_name,
        json_schema_input_type=Annotated[str, Field(pattern=f"^{CALLER_NAME.pattern}$")],
    ),
]
KeyHash = Annotated[
    str,
    BeforeValidator(
        _key_hash, json_schema_input_type=Annotated[str, Field(pattern=f"^{KEY_HASH.pattern}$")]
    ),
]


CertificateName = Annotated[
    str,
    BeforeValidator(
        _certificate,
        json_schema_input_type=Annotated[str, Field(max_length=MAX_NAME_CHARACTERS)],
    ),
]
"""A URI or a DNS name, in which `*` stands for a part of a segment or label."""


class CallerKeySection(Section):
    """A key of a caller."""

    hash: KeyHash = Field(description="sha256: and the hash, as `tokenwire keys new` prints it.")
    not_after: Annotated[float, BeforeValidator(_time, json_schema_input_type=str)] | None = Field(
        None, description="The date or time, in UTC, from which it is not accepted. Unset: never."
    )


CallerKey = Annotated[
    CallerKeySection,
    BeforeValidator(_caller_key, json_schema_input_type=KeyHash | CallerKeySection),
]


class CallerSection(Section):
    """Somebody who may call."""

    keys: list[CallerKey] | None = Field(
        None,
        min_length=1,
        max_length=MAX_CALLER_KEYS,
        description="Its keys; each of them is accepted.",
    )
    certificates: list[CertificateName] | None = Field(
        None,
        min_length=1,
        max_length=MAX_CERTIFICATES,
        description="Names in its client certificates, for calls without a key: SPIFFE IDs or "
        "other URIs, or DNS names. `*` stands for any text between two slashes or dots.",
    )
    tokens: list[TokenSection] | None = Field(
        None,
        min_length=1,
        max_length=MAX_CALLER_TOKENS,
        description="Its tokens, such as those of Kubernetes service accounts.",
    )
    models: list[ModelName] | None = Field(
        None, min_length=1, description="The models that it may use. Unset: all."
    )
    limits: LimitsSection = Field(
        LimitsSection(), description="How much it may use. Unset: any amount."
    )
    priority: Literal["normal", "low"] = Field(
        "normal",
        description="`low` waits for the calls of all other callers while slots are short.",
    )

    @model_validator(mode="after")
    def _can_call(self) -> Self:
        if not (self.keys or self.tokens or self.certificates):
            raise PydanticCustomError("caller", "must have `keys`, `tokens` or `certificates`")
        return self
