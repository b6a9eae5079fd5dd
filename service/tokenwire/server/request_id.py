"""The request id that identifies a call to callers and in logs and traces."""

from __future__ import annotations

import re
import uuid
from typing import Final

from tokenwire.server.interceptors.base import Metadata

REQUEST_ID: Final = "x-request-id"
ACCEPTED_REQUEST_ID: Final = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


def request_id_of(metadata: Metadata) -> str:
    """Return the caller's request id, or a new one if it is missing or not accepted."""
    for key, value in metadata:
        if key == REQUEST_ID and ACCEPTED_REQUEST_ID.fullmatch(str(value)):
            return str(value)
    return uuid.uuid4().hex
