"""The paths of fields in the JSON of a body."""

from typing import Final

from tokenwire.api.field_names import FieldNames

FIELDS: Final = FieldNames(
    {
        "content": "messages",
        "parts": "messages",
        "history": "messages",
        "system": "messages",
        "message": "messages",
        "format": "response_format",
        "format.json_schema.name": "response_format.json_schema.name",
        "format.json_schema.schema": "response_format.json_schema.schema",
        "reasoning.effort": "reasoning_effort",
        "reasoning.show": "reasoning_effort",
        "tool_choice.name": "tool_choice.function.name",
        "tool_choice.parallel": "parallel_tool_calls",
    }
)
"""The names that differ, by their paths in openai.Message."""
