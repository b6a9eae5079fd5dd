"""The HTTP request and response of one answer, behind the client of a provider's package."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

from tokenwire.core.attempts import Attempts
from tokenwire.core.errors import ServiceError
from tokenwire.upstreams.http.pool import Response
from tokenwire.upstreams.langchain.facts import Facts

Amend: TypeAlias = Callable[[dict[str, Any]], None]
Observe: TypeAlias = Callable[[dict[str, Any], Facts], None]


class ProviderExchange:
    """Connects the HTTP exchange of one answer with the call.

    Args:
        attempts: The record of the call's requests.
        key: The service's key at the upstream, or empty.
        amend: Completes the decoded body of the request; None if nothing is missing.
        observe: Records what one decoded event of the response says.

    Attributes:
        facts: What the response has said so far.
        failure: Why the exchange failed, or None. The package may wrap it in its own exceptions.
        sent: Whether the package has made a request.
        read_at: The `time.monotonic` value of the latest read of bytes, in seconds.
    """

    def __init__(self, attempts: Attempts, key: str, amend: Amend | None, observe: Observe) -> None:
        self.attempts = attempts
        self.key = key
        self.amend = amend
        self.observe = observe
        self.facts = Facts()
        self.failure: ServiceError | None = None
        self.sent = False
        self.read_at = 0.0
        self._response: Response | None = None

    def opened(self, response: Response) -> None:
        """Record the response, which `close` closes."""
        self._response = response
        # Frees the prompt, which `amend` refers to: the answer can take minutes.
        self.amend = None

    def close(self) -> None:
        """End the request without waiting; the connection is reused if the response has ended."""
        response, self._response = self._response, None
        if response is not None:
            if self.failure is None:
                response.return_connection()
            response.close()


EXCHANGE: Final[ContextVar[ProviderExchange]] = ContextVar("exchange")
"""The exchange of the current task's call. The packages pass no argument of ours to their HTTP
client, and one client serves all calls."""
