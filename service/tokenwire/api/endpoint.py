"""The entries of the server's method table."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import Message

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import Completion
from tokenwire.core.method import Method, MethodType

EndpointHandler: TypeAlias = Callable[[Any, CallRecord], Awaitable[Any]]
"""Takes the parsed request and the call's record. Returns the response of a unary method, or an
async generator of the events of a streaming one. The last event is a Completion. Both the handler
and the generator raise ServiceError."""

OnOperation: TypeAlias = Callable[[str, CallRecord, Mapping[str, Any]], None]
"""Called before a model is asked something else than an answer, with the model's name, the record
of the call, and attributes of its span."""


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """A method that the server serves.

    Attributes:
        method: The method's name and type.
        check: Raises a ServiceError if the serialized request exceeds a limit and must not be
            parsed.
        parse: Parses the serialized request; raises DecodeError or a ServiceError.
        handle: Handles a request.
        serialize: Serializes a response message.
        encode: Converts an event of a streaming method, except the Completion, to a message; None
            for a unary method.
        encode_finish: Converts the Completion to a message before the last one, or returns None if
            the answer has no such message; None if no answer of the method has.
        encode_last: Converts the Completion to the last message; None for a unary method.
        late_error: Returns the message that reports a failure's reason within a stream, for
            clients that ignore the status; None if the method has no such clients.
        field_name: Returns the contract's name of a field that an error names by its path in
            openai.Message; None if they are the same.
        clients_retry: Whether clients of the method retry UNAVAILABLE unless they are told not to.
    """

    method: Method
    check: Callable[[bytes], None]
    parse: Callable[[bytes], Message]
    handle: EndpointHandler
    serialize: Callable[[Any], bytes]
    encode: Callable[[Any, CallRecord], Message] | None = None
    encode_finish: Callable[[Completion, CallRecord], Message | None] | None = None
    encode_last: Callable[[Completion, CallRecord], Message] | None = None
    late_error: Callable[[str, CallRecord], Message] | None = None
    field_name: Callable[[str], str] | None = None
    clients_retry: bool = False

    def __post_init__(self) -> None:
        streams = self.method.type is MethodType.SERVER_STREAM
        for name, function in (("encode", self.encode), ("encode_last", self.encode_last)):
            if streams is not (function is not None):
                raise ValueError(
                    f"{self.method.path}: `{name}` must be set exactly for a streaming method"
                )
