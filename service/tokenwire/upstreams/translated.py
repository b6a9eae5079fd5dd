"""Rejects what only upstreams that take the caller's own JSON can honour."""

from typing import Final

from tokenwire.core.domain import ChatBody
from tokenwire.core.errors import InvalidParameter

RULE: Final = "is not supported by the upstream of this model; leave it unset"


def check_translated(body: ChatBody | None) -> None:
    """Check that a request has nothing but what can be translated.

    Args:
        body: The request as the caller wrote it; None if it was in the service's contract.

    Raises:
        InvalidParameter: It has something else; the error names it.
    """
    if body and body.untranslated:
        raise InvalidParameter(body.untranslated[0], RULE)
