"""A method of the contract, and all that the server has to know of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import Message

from tokenwire.core.call_record import CallRecord
from tokenwire.core.method import Method, MethodType

EndpointHandler: TypeAlias = Callable[[Any, CallRecord], Awaitable[Any]]
"""Takes the request and the record of its call. Returns the response of a unary method, or the
async generator of a streaming one: what it yields is for `Endpoint.encode`, the last is a
Completion. Raises a ServiceError, as does the generator."""


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """An entry of the table of methods, from which the server serves them.

    Attributes:
        method: Its name, and whether it streams.
        check: Raises a ServiceError for bytes of which no message must be made.
        parse: Makes the request of bytes; raises DecodeError.
        handle: Answers a request.
        serialize: Makes bytes of a message of the response's type.
        encode: Makes the message of an event of a streaming method.
        late_error: Makes the message that tells a failure's reason to clients that read only
            messages, once a stream has begun; None where no such clients exist.
    """

    method: Method
    check: Callable[[bytes], None]
    parse: Callable[[bytes], Message]
    handle: EndpointHandler
    serialize: Callable[[Any], bytes]
    encode: Callable[[Any], Message] | None = None
    late_error: Callable[[str], Message] | None = None

    def __post_init__(self) -> None:
        streams = self.method.type is MethodType.SERVER_STREAM
        if streams is not (self.encode is not None):
            raise ValueError(f"{self.method.path}: only a streaming method has `encode`")
