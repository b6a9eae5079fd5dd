"""The fields of a chat-completions request that control the form of the answer's text."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tokenwire.config.upstream_parameters import ConstraintParameter
from tokenwire.core.domain import Choices, Format, Grammar, JsonObject, JsonSchema, Regex
from tokenwire.core.errors import InvalidParameter

NAMES: Final[Mapping[str, Mapping[type[object], str]]] = {
    "none": {},
    "structured_outputs": {Regex: "regex", Grammar: "grammar", Choices: "choice"},
    "guided": {Regex: "guided_regex", Grammar: "guided_grammar", Choices: "guided_choice"},
    "sglang": {Regex: "regex", Grammar: "ebnf"},
}
FIELDS: Final = {Regex: "format.regex", Grammar: "format.grammar", Choices: "format.choices"}


def format_fields(form: Format | None, parameter: ConstraintParameter) -> dict[str, Any]:
    """Return the fields for a format; none if it is None.

    Raises:
        InvalidParameter: The upstream does not support the format.
    """
    match form:
        case None:
            return {}
        case JsonSchema():
            return {"response_format": {"type": "json_schema", "json_schema": _schema(form)}}
        case JsonObject():
            return {"response_format": {"type": "json_object"}}
        case Regex() | Grammar() | Choices():
            name = NAMES[parameter].get(type(form))
            if name is None:
                raise InvalidParameter(FIELDS[type(form)], "is not supported by the upstream")
            fields = {name: _constraint(form)}
            return {parameter: fields} if parameter == "structured_outputs" else fields


def _schema(form: JsonSchema) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": form.name, "schema": msgspec.Raw(form.schema.encode())}
    if form.strict is not None:
        fields["strict"] = form.strict
    return fields


def _constraint(form: Regex | Grammar | Choices) -> str | list[str]:
    match form:
        case Regex():
            return form.pattern
        case Grammar():
            return form.grammar
        case Choices():
            return list(form.values)
