"""Makes the runnables that return answers as objects of a schema."""

import re
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

from langchain_core.language_models import LanguageModelInput
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import (
    JsonOutputKeyToolsParser,
    PydanticToolsParser,
)
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from pydantic import BaseModel

Method = Literal["json_schema", "function_calling", "json_mode"]

MAX_NAME: Final = 64


class Structure(NamedTuple):
    """How a schema is asked for, and how its answers are read.

    Attributes:
        parameters: The parameters of the calls.
        parser: What reads the answers.
    """

    parameters: dict[str, Any]
    parser: Runnable[Any, Any]


def structure_of(schema: Any, method: Method, *, strict: bool | None) -> Structure:
    """Return the structure for a schema.

    Args:
        schema: A pydantic class, a TypedDict, or a JSON Schema or OpenAI function as a dict.
        method: `json_schema`, `function_calling` or `json_mode`.
        strict: Whether the upstream must enforce the schema exactly; None: its default.

    Raises:
        ValueError: There is no such method.
    """
    parameters: dict[str, Any] = {
        # For tracing.
        "ls_structured_output_format": {
            "kwargs": {"method": method, "strict": strict},
            "schema": convert_to_json_schema(schema),
        }
    }
    is_class = isinstance(schema, type) and is_basemodel_subclass(schema)
    parser: Runnable[Any, Any]
    parser = PydanticOutputParser(pydantic_object=schema) if is_class else JsonOutputParser()
    match method:
        case "json_schema":
            asked = convert_to_json_schema(schema, strict=strict)
            named = {"name": _name(asked), "schema": asked, "strict": strict}
            parameters["response_format"] = {"type": "json_schema", "json_schema": named}
        case "json_mode":
            parameters["response_format"] = {"type": "json_object"}
        case "function_calling":
            tool = convert_to_openai_tool(schema, strict=strict)
            name = tool["function"]["name"]
            parameters |= {"tools": [tool], "tool_choice": name}
            parser = (
                PydanticToolsParser(tools=[schema], first_tool_only=True)
                if is_class
                else JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
            )
        case _:
            raise ValueError(
                f"method is {method!r}; it must be json_schema, function_calling or json_mode"
            )
    return Structure(parameters, parser)


def with_raw(
    model: Runnable[LanguageModelInput, Any], parser: Runnable[Any, Any]
) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
    """Return the runnable whose result has `raw`, `parsed` and `parsing_error`."""
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _name(schema: Mapping[str, Any]) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title") or "answer"))[:MAX_NAME]
