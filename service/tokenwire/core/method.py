"""The name, the type and the operation of a gRPC method."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

CHAT: Final = "chat"
"""OpenTelemetry's name of the operation of a model that answers."""
EMBEDDINGS: Final = "embeddings"
"""OpenTelemetry's name of the operation of a model that turns texts into vectors."""
COUNT_TOKENS: Final = "count_tokens"
"""The operation of counting the tokens of a prompt, for which OpenTelemetry has no name."""


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
        operation: What the method asks of a model, by the names of `gen_ai.operation.name` in
            OpenTelemetry's conventions; empty if it asks nothing.
        path: The method's path on the wire, such as `/openai.Chatgpt/Send`.
    """

    service: str
    name: str
    type: MethodType
    operation: str = ""
    path: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", f"/{self.service}/{self.name}")
