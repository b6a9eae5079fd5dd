"""The form that a request asks of the answer's text: any, a JSON object, or JSON of a schema."""

import json
from dataclasses import dataclass
from typing import Any, Final

from tokenwire_demo.request_error import RequestError
from tokenwire_demo.schema import SchemaError, instance

_MAX_SCHEMA_LENGTH: Final = 200_000


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """JSON as the answer's text.

    Attributes:
        schema: The schema; None for any object.
        param: The name of the parameter that has it.
    """

    schema: object | None
    param: str

    def text(self, usual: str) -> str:
        """Return the JSON text of an answer.

        Args:
            usual: The text of the answer without a format, which any object has as a field.

        Raises:
            RequestError: The schema is malformed or over a limit, or an instance is not found.
        """
        if self.schema is None:
            return spaced_json({"simulated": True, "answer": usual})
        return spaced_json(schema_instance(self.schema, self.param))


def parse_format(value: Any, param: str) -> JsonFormat | None:
    """Return the format in `response_format` of chat completions, or None for any text.

    The form of responses, `text.format`, has the schema one level higher.

    Raises:
        RequestError: The format is malformed or unknown.
    """
    match value:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return JsonFormat(None, param)
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return JsonFormat(schema, f"{param}.json_schema.schema")
        case {"type": "json_schema", "schema": schema}:
            return JsonFormat(schema, f"{param}.schema")
        case {"type": "json_schema"}:
            raise RequestError(f"{param} of type json_schema must have a schema", param)
        case _:
            raise RequestError(f"{param}.type must be text, json_object or json_schema", param)


def schema_instance(schema: object, param: str, **samples: Any) -> Any:
    """Return a value that fits the schema of a parameter.

    Args:
        schema: The schema.
        param: The name of the parameter.
        samples: The text and the number that the value has where the schema allows any.

    Raises:
        RequestError: The schema is malformed or over a limit, or an instance is not found.
    """
    if len(json.dumps(schema)) > _MAX_SCHEMA_LENGTH:
        raise RequestError(f"{param} must have at most {_MAX_SCHEMA_LENGTH} characters", param)
    try:
        return instance(schema, **samples)
    except SchemaError as error:
        raise RequestError(f"Invalid schema in {param}: {error}", param) from None


def spaced_json(value: object) -> str:
    """Return the JSON text of a value with spaces, at which it splits into tokens."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or _is_utf8(text) else json.dumps(value)


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
