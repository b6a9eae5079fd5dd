"""Finds the caller of a call by the credentials in its metadata, or by its certificate."""

from collections.abc import Callable
from typing import Final, TypeAlias

from tokenwire.core.callers import Caller, Callers
from tokenwire.core.errors import CredentialsInvalid, CredentialsMissing
from tokenwire.server.certificate_names import names_of
from tokenwire.server.interceptors.base import Context, Metadata

AUTHORIZATION: Final = "authorization"
KEY_HEADERS: Final = ("x-api-key", "x-goog-api-key")
"""The headers with a key in clients of Anthropic's and Google's APIs."""
BEARER: Final = "bearer "

Authenticate: TypeAlias = Callable[[Metadata, Context], Caller | None]
"""Returns the caller of a call by its metadata and its connection; None if everyone may call."""


class Authenticator:
    """Finds callers.

    Args:
        callers: Returns the callers; None if everyone may call.
    """

    def __init__(self, callers: Callable[[], Callers | None]) -> None:
        self._callers = callers

    def authenticate(self, metadata: Metadata, context: Context) -> Caller | None:
        """Return the caller of a call; None if everyone may call.

        A key in the metadata counts; without one, the certificate of the connection.

        Raises:
            CredentialsMissing: The call has no credentials.
            CredentialsInvalid: They are of no caller.
            CredentialsExpired: They are not accepted any more.
        """
        callers = self._callers()
        if callers is None:
            return None
        key = _key_of(metadata)
        if key is not None:
            return callers.by_key(key)
        names = names_of(context) if callers.have_certificates else None
        if names is None:
            raise CredentialsMissing
        return callers.by_certificate(names)


def _key_of(metadata: Metadata) -> str | None:
    for name, value in metadata:
        if name == AUTHORIZATION and isinstance(value, str):
            if value[: len(BEARER)].lower() != BEARER:
                raise CredentialsInvalid
            return value[len(BEARER) :].strip()
        if name in KEY_HEADERS and isinstance(value, str):
            return value.strip()
    return None
