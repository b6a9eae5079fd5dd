"""What the tests of all protocols need to know of a method."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from support.world import PROMPT

IMAGE_URL = "https://x/a.png"


class Role(enum.Enum):
    """What a method does with the upstream."""

    ANSWER = "answer"
    """It returns the model's answer."""
    DOCUMENT = "document"
    """It asks for something else."""
    LOCAL = "local"
    """It does not ask the upstream."""


@dataclass(frozen=True)
class Wanted:
    """A request, in terms of no protocol.

    A method without a parameter leaves it out; it has no name for it in `ProtocolMethod.fields`.

    Attributes:
        content: The text of the user's message.
        model: The model's name; empty for the server's default.
        temperature: The temperature; None to leave it unset.
        stops: The number of texts at which the answer ends.
        turns: The number of turns before the user's message.
        tools: The number of tools.
        image: Whether the user's message has an image.
    """

    content: str = PROMPT
    model: str = ""
    temperature: float | None = None
    stops: int = 0
    turns: int = 0
    tools: int = 0
    image: bool = False


@dataclass(frozen=True)
class ProtocolMethod:
    """A method of a protocol, and how to call it.

    Attributes:
        service: The full name of its service.
        name: Its name.
        role: What it does with the upstream.
        request: Returns the serialized request that asks for something.
        text_of: Returns the text in a serialized response.
        finish_of: Returns the finish reason in a serialized response, such as STOP; empty without
            one.
        fields: The protocol's names of the fields of `Wanted`, of those that it has.
        streams: Whether the method streams its response.
        clients_retry: Whether its clients retry UNAVAILABLE unless they are told not to.
        variant: What tells it from another entry with the same method.
    """

    service: str
    name: str
    role: Role
    request: Callable[[Wanted], bytes]
    text_of: Callable[[bytes], str] = lambda _: ""
    finish_of: Callable[[bytes], str] = lambda _: ""
    fields: Mapping[str, str] = field(default_factory=dict, hash=False)
    streams: bool = False
    clients_retry: bool = False
    variant: str = ""

    @property
    def path(self) -> str:
        """The method's path on the wire."""
        return f"/{self.service}/{self.name}"

    def __str__(self) -> str:
        return f"{self.service}.{self.name}{self.variant}"
