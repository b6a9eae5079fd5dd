"""The wire formats of LangChain's providers, as scripted upstreams speak them."""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from support.quirks import response
from support.raw_upstream import Piece

KEY = "key-canary"
CANARY = "upstream-canary"
"""A text in every error of an upstream."""


@dataclass(frozen=True)
class Wire(ABC):
    """The wire format of a provider.

    Attributes:
        name: The provider's name.
        address: The variable of the upstream's address.
        variables: The other variables that the provider needs.
        content_type: The type of a response with an answer.
        section: Further keys of the upstream in the gateway file.
    """

    name: str
    address: str
    variables: dict[str, str] = field(hash=False)
    content_type: str = "text/event-stream"
    section: dict[str, Any] = field(default_factory=dict, hash=False)

    @abstractmethod
    def body(self, *texts: str) -> list[bytes]:
        """Return the pieces of an answer's body up to these texts, without an end."""

    @abstractmethod
    def thought(self, content: str) -> bytes:
        """Return an event with a part of the reasoning."""

    @abstractmethod
    def end(self) -> bytes:
        """Return the end of an answer's body, with 3 input and 2 output tokens."""

    @abstractmethod
    def error(self) -> bytes:
        """Return an event that reports an error."""

    @abstractmethod
    def odd(self) -> bytes:
        """Return an event whose structure the provider's package does not expect."""

    @abstractmethod
    def rejected(self, message: str) -> dict[str, Any]:
        """Return the body of a rejection."""

    def model_of(self, head: bytes, body: bytes) -> str:
        """Return the model that a request names."""
        del head
        return str(json.loads(body)["model"])

    def raw(self, data: bytes) -> bytes:
        """Return an event with this data."""
        return b"data: " + data + b"\n\n"

    def framed(self, value: Any) -> bytes:
        """Return an event with this value as JSON."""
        return self.raw(json.dumps(value, ensure_ascii=False).encode())

    def rejection(self, status: str, message: str = CANARY, headers: str = "") -> list[Piece]:
        """Return the pieces of a rejection."""
        body = json.dumps(self.rejected(message)).encode()
        head = f"{status}\r\n{headers}".removesuffix("\r\n")
        return response(body, status=head, content_type="application/json")

    def answer(self, *pieces: Piece) -> list[Piece]:
        """Return the pieces of a response with an answer."""
        return response(*pieces, content_type=self.content_type)
