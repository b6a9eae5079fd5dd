"""An event of a stream."""

import msgspec


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event: its name (empty for the default) and its raw data."""

    name: bytes
    data: bytes
