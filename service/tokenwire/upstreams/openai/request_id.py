"""The upstream's id of a response, which its own support asks for."""

import re
from collections.abc import Mapping
from typing import Final

NAMES: Final = ("x-request-id", "request-id", "apim-request-id")
ACCEPTED: Final = re.compile(r"[!-~]{1,128}")
"""Printable ASCII without spaces: an id, and no sentence."""


def request_id(headers: Mapping[str, str], key: str) -> str:
    """Return the id that `headers` name, or nothing if there is none or it is no id.

    Args:
        headers: Of the response.
        key: The upstream's key, which no id may hold.
    """
    for name in NAMES:
        value = headers.get(name)
        if value and ACCEPTED.fullmatch(value) and not (key and key in value):
            return value
    return ""
