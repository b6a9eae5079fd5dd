"""What a store of limits is told of a lease, and what it answers."""

from enum import IntEnum
from typing import Final, NamedTuple

LIFETIME_SECONDS: Final = 60.0
"""A store releases what a lease holds if it hears nothing of it for this time."""
BUCKETS: Final = 60
"""The parts of a window that slides. What is used leaves the window with the last moment of its
part, and so up to a sixtieth of the window late, but never early."""


class Totals(NamedTuple):
    """What a call has used since its start.

    Attributes:
        input_tokens: The tokens of the prompt, estimated until the upstream reports them.
        input_nanodollars: Their price.
        output_tokens: The tokens of the answer so far.
        output_nanodollars: Their price.
    """

    input_tokens: int = 0
    input_nanodollars: int = 0
    output_tokens: int = 0
    output_nanodollars: int = 0


NOTHING: Final = Totals()


class Held(NamedTuple):
    """What is reserved for the tokens to come."""

    tokens: int = 0
    nanodollars: int = 0


class EntryKind(IntEnum):
    """What an entry asks for.

    Attributes:
        TAKE: A new lease. It is refused without a trace if a limit has no room for it.
        RENEW: A lease goes on with another amount held. If a window has no room for that, nothing
            is held any more, and the call must end.
        SETTLE: The end of a lease.
        DROP: The end of a lease that the store may not have, since it did not answer in time. If it
            has not, nothing is counted, also if the entry that takes the lease comes later.
    """

    TAKE = 0
    RENEW = 1
    SETTLE = 2
    DROP = 3


ENDS: Final = (EntryKind.SETTLE, EntryKind.DROP)


class LeaseEntry(NamedTuple):
    """The state of a lease.

    Amounts are totals and not differences, and entries are numbered, so that an entry that a store
    receives twice, or late, changes nothing.

    Attributes:
        kind: What is asked for.
        lease: The id of the lease.
        number: The number of the entry, from 1.
        started: When the call began, as a Unix time.
        known: The totals that the store has confirmed; None if it has confirmed none. They count
            if the store has forgotten the lease.
        totals: The totals now.
        held: What to hold.
    """

    kind: EntryKind
    lease: str
    number: int
    started: float
    known: Totals | None
    totals: Totals
    held: Held


class LimitRefusal(NamedTuple):
    """Why a limit has no room.

    Attributes:
        limit: The name of the limit, such as `tokens/m` or `streams`.
        retry_after: The seconds until there may be room; None if there will never be any.
    """

    limit: str
    retry_after: float | None
