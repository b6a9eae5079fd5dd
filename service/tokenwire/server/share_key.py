"""Tells whose share of the slots a call uses."""

from typing import Final, NamedTuple

from tokenwire.core.caller import Caller


class ShareKey(NamedTuple):
    """Whose share of the slots a call uses: a caller of the gateway file, or a connection.

    Attributes:
        name: The caller's name, or the address of the peer; empty if neither is known.
        is_caller: Whether `name` is that of a caller, so that no address equals it.
        low: Whether its calls have low priority.
    """

    name: str
    is_caller: bool = False
    low: bool = False


NOBODY: Final = ShareKey("")
"""The key of a call of which neither the caller nor the connection is known."""


def share_key(caller: Caller | None, peer: str) -> ShareKey:
    """Return the key of a call.

    Args:
        caller: The caller; None if the gateway file has no callers.
        peer: The address of the peer; empty after a disconnect.
    """
    if caller is None:
        return ShareKey(peer)
    return ShareKey(caller.name, is_caller=True, low=caller.low_priority)
