"""The upstream's id of a response, which its operators need to find the request."""

import re
from collections.abc import Mapping
from typing import Final

HEADERS: Final = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")
ACCEPTED: Final = re.compile(r"[!-~]{1,128}")
"""Printable ASCII without spaces, which excludes sentences."""


def request_id(headers: Mapping[str, str], key: str) -> str:
    """Return the id in `headers`, or an empty string if it is missing or not accepted.

    Args:
        headers: The headers of the response.
        key: The service's API key. An id that contains it is not accepted.
    """
    for name in HEADERS:
        value = headers.get(name)
        if value and ACCEPTED.fullmatch(value) and not (key and key in value):
            return value
    return ""
