"""The callers in the gateway file."""

import datetime as dt
import re
from typing import Annotated, Final

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from tokenwire.config.gateway.limits import LimitsSection
from tokenwire.config.gateway.section import Section
from tokenwire.config.gateway.values import ModelName

MAX_CALLERS: Final = 1_000
MAX_CALLER_KEYS: Final = 32
KEY_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
CALLER_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")


def _key_hash(value: object) -> object:
    # The text may be a key that somebody wrote here, so no message repeats it.
    if not isinstance(value, str) or not KEY_HASH.fullmatch(value):
        raise PydanticCustomError(
            "key_hash", "must be sha256: and 64 hexadecimal digits, as `tokenwire keys new` prints"
        )
    return value


def _caller_name(value: object) -> object:
    if not isinstance(value, str) or not CALLER_NAME.fullmatch(value):
        raise PydanticCustomError(
            "caller_name",
            "must be 1 to 63 lower-case letters, digits, dots, hyphens and underscores, and begin "
            "and end with a letter or digit",
        )
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

    keys: list[CallerKey] = Field(
        min_length=1, max_length=MAX_CALLER_KEYS, description="Its keys; each of them is accepted."
    )
    models: list[ModelName] | None = Field(
        None, min_length=1, description="The models that it may use. Unset: all."
    )
    limits: LimitsSection = Field(
        LimitsSection(), description="How much it may use. Unset: any amount."
    )
