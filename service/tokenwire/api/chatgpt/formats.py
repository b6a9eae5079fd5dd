"""Converts the format of a request. The functions have no side effects."""

from typing import Final

from tokenwire.api.chatgpt.json_objects import MAX_SCHEMA_BYTES, check_schema
from tokenwire.api.chatgpt.tools import NAME, NAME_RULE
from tokenwire.core.domain import Choices, Format, Grammar, JsonObject, JsonSchema, Regex
from tokenwire.core.errors import InvalidParameter
from tokenwire.v1 import chatgpt_pb2 as pb

MAX_CHOICES: Final = 1_000
DEFAULT_NAME: Final = "answer"


def to_format(message: pb.Format) -> Format:
    """Return the format of a request.

    Raises:
        InvalidParameter: The format is invalid; the error names its field.
    """
    match message.WhichOneof("kind"):
        case "json_schema":
            return _json_schema(message.json_schema)
        case "json":
            if not message.json:
                raise InvalidParameter("format.json", "must be true if it is set")
            return JsonObject()
        case "regex":
            return Regex(_text("format.regex", message.regex))
        case "grammar":
            return Grammar(_text("format.grammar", message.grammar))
        case "choices":
            return _choices(message.choices)
        case _:
            raise InvalidParameter("format", "must have one of its fields set")


def _json_schema(message: pb.JsonSchema) -> JsonSchema:
    name = message.name or DEFAULT_NAME
    if not NAME.fullmatch(name):
        raise InvalidParameter("format.json_schema.name", NAME_RULE)
    field = "format.json_schema.schema"
    if len(message.schema.encode()) > MAX_SCHEMA_BYTES:
        raise InvalidParameter(field, f"must hold at most {MAX_SCHEMA_BYTES} bytes")
    check_schema(field, message.schema)
    return JsonSchema(name, message.schema, message.strict if message.HasField("strict") else None)


def _choices(message: pb.Choices) -> Choices:
    values = tuple(message.values)
    if not 1 <= len(values) <= MAX_CHOICES or not all(values):
        description = f"must hold 1 to {MAX_CHOICES} texts, none of them empty"
        raise InvalidParameter("format.choices.values", description)
    return Choices(values)


def _text(field: str, text: str) -> str:
    if not text:
        raise InvalidParameter(field, "must not be empty")
    return text
