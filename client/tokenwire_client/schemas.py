"""Makes tools and formats from Python types, and reads what the model writes back.

It needs pydantic: `pip install "tokenwire-client[pydantic]"`.
"""

import json
from typing import Any, TypeVar

from tokenwire_client.v1.chatgpt_pb2 import Answer, Format, JsonSchema

try:
    from pydantic import TypeAdapter
except ImportError as error:
    raise ImportError(
        'tokenwire_client.schemas needs pydantic; pip install "tokenwire-client[pydantic]"'
    ) from error

T = TypeVar("T")


def format_of(kind: Any, *, name: str = "answer", strict: bool | None = None) -> Format:
    """Return the format of answers that are JSON of a type.

    Args:
        kind: The type: a pydantic model, a dataclass, a TypedDict, or another that pydantic knows.
        name: The schema's name, for the model.
        strict: Whether the upstream must enforce the schema. True: every property is required and
            no other is allowed, as such upstreams demand. None: the upstream's default.

    Raises:
        pydantic.PydanticSchemaGenerationError: pydantic does not know the type.
    """
    schema = json_schema(TypeAdapter(kind).json_schema(), strict=bool(strict))
    return Format(json_schema=JsonSchema(name=name, schema=schema, strict=strict))


def parse(answer: Answer, kind: type[T]) -> T:
    """Return the JSON of an answer's text as a value of a type.

    Args:
        answer: The whole answer, as `Client.ask` returns it.
        kind: The type from which the request's format was made.

    Raises:
        pydantic.ValidationError: The text is not JSON of the type: the upstream does not enforce
            formats, or the answer ended early, with FINISH_REASON_LENGTH.
    """
    value: T = TypeAdapter(kind).validate_json(answer.content)
    return value


def json_schema(schema: dict[str, Any], *, strict: bool) -> str:
    """Return a schema as text, without the titles that repeat the names.

    Args:
        schema: The schema, which is not changed.
        strict: Whether every property is required and no other is allowed.
    """
    return json.dumps(_rewritten(schema, strict=strict), ensure_ascii=False)


def _rewritten(schema: Any, *, strict: bool) -> Any:
    if isinstance(schema, list):
        return [_rewritten(each, strict=strict) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # Properties may have any name, so their map is no schema.
    found = {
        key: {name: _rewritten(each, strict=strict) for name, each in value.items()}
        if key in ("properties", "$defs")
        else _rewritten(value, strict=strict)
        for key, value in schema.items()
        if key != "title" and not (strict and key == "default")
    }
    if strict and "properties" in found:
        found["required"] = list(found["properties"])
        found["additionalProperties"] = False
    return found
