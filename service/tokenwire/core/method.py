"""The name and the kind of a gRPC method."""

from dataclasses import dataclass, field
from enum import Enum


class MethodType(Enum):
    """How many messages a method takes and returns, as go-grpc-middleware's labels say it."""

    UNARY = "unary"
    SERVER_STREAM = "server_stream"


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A method that callers can call. Each is the same as itself alone.

    Attributes:
        service: Full name of the service, as in `openai.Chatgpt`.
        name: Name of the method, as in `Send`.
        type: Whether it streams.
        path: The method's path on the wire, as in `/openai.Chatgpt/Send`.
    """

    service: str
    name: str
    type: MethodType
    path: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", f"/{self.service}/{self.name}")
