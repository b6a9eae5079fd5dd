"""Finds the caller of a call by the credentials in its metadata, or by its certificate."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from tokenwire.access.issuers import Issuers, VerifiedToken
from tokenwire.access.token import is_token
from tokenwire.core.caller import Caller
from tokenwire.core.callers import Callers
from tokenwire.core.errors import CredentialsInvalid, CredentialsMissing
from tokenwire.server.certificate_names import names_of
from tokenwire.server.interceptors.base import Context, Metadata

AUTHORIZATION: Final = "authorization"
KEY_HEADERS: Final = ("x-api-key", "x-goog-api-key")
"""The headers with a key in clients of Anthropic's and Google's APIs."""
BEARER: Final = "bearer "

Authenticate: TypeAlias = Callable[[Metadata, Context], Awaitable[Caller | None]]
"""Returns the caller of a call by its metadata and its connection; None if everyone may call."""
Recognize: TypeAlias = Callable[[Metadata, Context], Caller | None]
"""Does the same at once, without the verification of tokens that are new."""


class Authenticator:
    """Finds callers.

    Args:
        callers: Returns the callers; None if everyone may call.
        issuers: Verify the tokens of callers; None if they have only keys.
    """

    def __init__(
        self, callers: Callable[[], Callers | None], issuers: Issuers | None = None
    ) -> None:
        self._callers = callers
        self._issuers = Issuers() if issuers is None else issuers

    async def authenticate(self, metadata: Metadata, context: Context) -> Caller | None:
        """Return the caller of a call; None if everyone may call.

        A key or a token in the metadata counts; without one, the certificate of the connection.

        Raises:
            CredentialsMissing: The call has no credentials.
            CredentialsInvalid: They are of no caller.
            CredentialsExpired: They are not accepted any more, or not yet.
            IssuerUnavailable: They are a token whose issuer does not tell its keys.
        """
        callers = self._callers()
        if callers is None:
            return None
        found = _find(callers, metadata, context)
        if isinstance(found, Caller):
            return found
        return _by_token(callers, await self._issuers.verify(found))

    def recognize(self, metadata: Metadata, context: Context) -> Caller | None:
        """Return the caller of a call, without the work of verifying a signature.

        Returns:
            The caller; None if everyone may call.

        Raises:
            CredentialsMissing: The call has no credentials.
            CredentialsInvalid: They are of no caller, or a token that was not verified before.
            CredentialsExpired: They are not accepted any more.
        """
        callers = self._callers()
        if callers is None:
            return None
        found = _find(callers, metadata, context)
        if isinstance(found, Caller):
            return found
        return _by_token(callers, self._issuers.remembered(found))


def _find(callers: Callers, metadata: Metadata, context: Context) -> Caller | str:
    """Return the caller by its key or certificate, or the token by which to find it."""
    text = _key_of(metadata)
    if text is None:
        return _by_certificate(callers, context)
    # First, because a key of the file may have the form of a token.
    caller = callers.find_key(text)
    if caller is not None:
        return caller
    if not is_token(text):
        raise CredentialsInvalid
    return text


def _by_token(callers: Callers, token: VerifiedToken | None) -> Caller:
    caller = token and callers.subjects.caller_of(token.issuer, token.subject)
    if caller is None:
        raise CredentialsInvalid
    return caller


def _by_certificate(callers: Callers, context: Context) -> Caller:
    names = names_of(context) if callers.have_certificates else None
    if names is None:
        raise CredentialsMissing
    return callers.by_certificate(names)


def _key_of(metadata: Metadata) -> str | None:
    """Return the key or token of a call. `authorization` counts before the other headers."""
    key = None
    for name, value in metadata:
        if name == AUTHORIZATION and isinstance(value, str):
            if value[: len(BEARER)].lower() != BEARER:
                raise CredentialsInvalid
            return value[len(BEARER) :].strip()
        if name in KEY_HEADERS and isinstance(value, str) and key is None:
            key = value.strip()
    return key
