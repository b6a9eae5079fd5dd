"""Reads the name of Google's endpoint in a request."""

import re
from typing import Final

from tokenwire.core.errors import InvalidParameter

FORM: Final = re.compile(r"projects/[^/]+/locations/[^/]+/endpoints/([^/]+)")
OPENAPI: Final = "openapi"
"""The endpoint for which the body names the model."""
MAX_LENGTH: Final = 1_024


def model_of(endpoint: str) -> str:
    """Return the model that an endpoint names; empty if it names none.

    Raises:
        InvalidParameter: It has another form.
    """
    if not endpoint:
        return ""
    found = FORM.fullmatch(endpoint) if len(endpoint) <= MAX_LENGTH else None
    if found is None:
        rule = "must be empty or projects/PROJECT/locations/LOCATION/endpoints/ENDPOINT"
        raise InvalidParameter("endpoint", rule)
    return "" if found[1] == OPENAPI else found[1]
