"""What an upstream needs back in the next request, such as signed or encrypted reasoning.

Callers keep it as opaque bytes and return it. They can forge it, like the rest of the conversation,
so each reader accepts only the fields that it writes.
"""

import hashlib
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

MAX_STATE_BYTES: Final = 2_097_152
"""The most bytes of the state of one turn."""
MAX_CALL_STATE_BYTES: Final = 65_536
"""The most bytes of the state of one tool call."""

TAG_LENGTH: Final = 8
"""The length of the upstream's tag in hexadecimal digits: enough to tell upstreams apart, and too
little to find out the address."""


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    upstream: str
    fields: dict[str, Any]


_decode: Final = msgspec.json.Decoder(_Envelope).decode


class StateCodec:
    """Encodes fields as state, and decodes the state that the same upstream made.

    Args:
        upstream: The base URL of the upstream, of which the credentials are ignored.
        dialect: The form of the fields. Another dialect of the upstream is another upstream.
    """

    def __init__(self, upstream: str, dialect: str) -> None:
        url = urlsplit(upstream)
        host = url.netloc.rpartition("@")[2]
        name = f"{dialect} {url.scheme}://{host}{url.path}"
        self._tag = hashlib.sha256(name.encode()).hexdigest()[:TAG_LENGTH]

    def encode(self, fields: dict[str, Any], max_bytes: int = MAX_STATE_BYTES) -> bytes:
        """Return the state; empty if there are no fields or they exceed `max_bytes`."""
        if not fields:
            return b""
        state = msgspec.json.encode(_Envelope(self._tag, fields))
        return state if len(state) <= max_bytes else b""

    def decode(self, state: bytes) -> dict[str, Any]:
        """Return the fields; none if the state is empty, of another upstream, or invalid."""
        if not state:
            return {}
        try:
            envelope = _decode(state)
        except (ValueError, RecursionError):
            return {}
        return envelope.fields if envelope.upstream == self._tag else {}
