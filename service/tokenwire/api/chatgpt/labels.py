"""Validates the labels of a request."""

import re
from collections.abc import Mapping
from typing import Final

from tokenwire.core.errors import InvalidParameter

MAX_LABELS: Final = 16
MAX_LABEL_BYTES: Final = 1_024
"""The most bytes of all names and values. A log line has room for six times as many, which is what
control characters take there."""
NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def to_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of a request, in ascending order of their names.

    Raises:
        InvalidParameter: There are too many, or one is invalid. The error does not repeat it.
    """
    if len(labels) > MAX_LABELS:
        raise InvalidParameter("labels", f"must hold at most {MAX_LABELS} items")
    if not all(map(NAME.fullmatch, labels)):
        rule = "must have names of 1 to 64 letters, digits, hyphens, underscores and dots"
        raise InvalidParameter("labels", rule)
    if sum(len(name) + len(value.encode()) for name, value in labels.items()) > MAX_LABEL_BYTES:
        rule = f"must have at most {MAX_LABEL_BYTES} bytes of names and values together"
        raise InvalidParameter("labels", rule)
    return dict(sorted(labels.items()))
