"""The name and the type of a gRPC method."""

from dataclasses import dataclass, field
from enum import Enum


class MethodType(Enum):
    """The type of a method, with the label values of go-grpc-middleware."""

    UNARY = "unary"
    SERVER_STREAM = "server_stream"


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A method of a service. Methods compare by identity.

    Attributes:
        service: The full name of the service, such as `openai.Chatgpt`.
        name: The name of the method, such as `Send`.
        type: Whether the method is unary or streaming.
        path: The method's path on the wire, such as `/openai.Chatgpt/Send`.
    """

    service: str
    name: str
    type: MethodType
    path: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", f"/{self.service}/{self.name}")
