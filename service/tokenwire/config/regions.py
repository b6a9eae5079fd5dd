"""The regions of AWS."""

import re
from typing import Final
from urllib.parse import urlsplit

REGION: Final = r"^[a-z0-9-]{1,32}$"
"""A pattern of the names of regions."""
BEDROCK_HOST: Final = re.compile(r"(?:.*\.)?bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\..+")
"""AWS's names of the hosts of Bedrock, which have the region."""


def region_of(address: str) -> str:
    """Return the region in an address of AWS's; empty if it has another form."""
    found = BEDROCK_HOST.fullmatch(urlsplit(address).hostname or "")
    return found[1] if found else ""
