"""The regions and the keys of AWS."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError

REGION: Final = re.compile(r"^[a-z0-9-]{1,32}$")
BEDROCK_HOST: Final = re.compile(r"(?:.*\.)?bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\..+")
"""AWS's names of the hosts of Bedrock, which have the region."""
BEDROCK_KEY: Final = re.compile(r"[^:]+(:[^:]+(:[^:]+)?)?")
BEDROCK_KEY_RULE: Final = (
    "must be a Bedrock API key, or ACCESS_KEY_ID:SECRET_ACCESS_KEY, or "
    "ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN"
)


def _named(value: object) -> object:
    if isinstance(value, str) and not REGION.fullmatch(value):
        raise PydanticCustomError("region", "must be the name of a region, such as eu-central-1")
    return value


Region = Annotated[str, BeforeValidator(_named), StringConstraints(pattern=REGION.pattern)]
"""The name of a region."""


def region_of(address: str) -> str:
    """Return the region in an address of AWS's; empty if it has another form."""
    found = BEDROCK_HOST.fullmatch(urlsplit(address).hostname or "")
    return found[1] if found else ""


def is_bedrock_key(key: str) -> bool:
    """Report whether a key has one of the forms of BEDROCK_KEY_RULE."""
    return bool(BEDROCK_KEY.fullmatch(key))
