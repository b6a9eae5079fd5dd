"""Rejects the fields of xAI's API that the service does not serve.

They are no fields of the service's contract, so a parsed request has them as unknown fields.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from tokenwire.core.errors import InvalidParameter
from tokenwire.xai.v1 import xai_pb2 as pb

Request = TypeVar("Request", bound=Message)

UNSERVED: Final[Mapping[str, Mapping[int, str]]] = {
    "GetCompletionsRequest": {
        20: "search_parameters",
        22: "previous_response_id",
        23: "store_messages",
        25: "max_turns",
        26: "include",
        29: "agent_count",
        34: "safety_identifier",
        39: "guidelines",
    },
    "Message": {3: "name"},
    "ImageUrlContent": {3: "file_id"},
    "FileContent": {1: "file_id"},
    "Tool": {
        3: "web_search",
        4: "x_search",
        5: "code_execution",
        6: "collections_search",
        7: "mcp",
        8: "attachment_search",
        10: "image_generation",
    },
    "ToolCall": {4: "error_message"},
}
"""The names of fields by their numbers, by the names of their messages."""
RULE: Final = "is not supported by this service; leave it unset"


def _inner(message: Descriptor) -> list[FieldDescriptor]:
    return [field for field in message.fields if field.message_type]


INNER: Final = {
    name: _inner(message) for name, message in pb.DESCRIPTOR.message_types_by_name.items()
}
"""The fields with messages, by the names of the messages that have them."""


def served(kind: type[Request]) -> Callable[[bytes], Request]:
    """Return a function that parses requests of one type and rejects fields that are not served.

    The function raises DecodeError, and InvalidParameter for such a field, which it names.
    """

    def parse(data: bytes) -> Request:
        request = kind.FromString(data)
        request.DiscardUnknownFields()
        # Without unknown fields the sizes are equal, unless the sender encodes in an unusual way.
        # Looking at each message takes a hundred times as long.
        if request.ByteSize() != len(data):
            check_served(kind.FromString(data))
        return request

    return parse


def check_served(request: Message) -> None:
    """Check that a request has only fields that the service knows.

    Raises:
        InvalidParameter: It has another one; the error names it.
    """
    for path, message in _messages(request, ""):
        unknown = UnknownFieldSet(message)
        if len(unknown):
            number = unknown[0].field_number
            name = UNSERVED.get(message.DESCRIPTOR.name, {}).get(number, f"field {number}")
            raise InvalidParameter(f"{path}{name}", RULE)


def _messages(message: Message, path: str) -> Iterator[tuple[str, Message]]:
    """Yield a message and all in it, each with the beginning of the paths of its fields."""
    yield path, message
    for field in INNER[message.DESCRIPTOR.name]:
        name = field.name
        if field.is_repeated:
            for index, each in enumerate(getattr(message, name)):
                yield from _messages(each, f"{path}{name}[{index}].")
        elif message.HasField(name):
            yield from _messages(getattr(message, name), f"{path}{name}.")
