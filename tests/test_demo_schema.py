"""The instances that the demo model makes of JSON schemas, judged by an independent validator."""

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenwire_demo.schema import Samples, SchemaError, instance
from tokenwire_demo.schema.values import FORMATS

NODE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "value": {"type": ["null", "number"], "exclusiveMinimum": 2.5},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
        "parent": {"$ref": "#/$defs/node"},
    },
    "required": ["value", "next", "children"],
    "additionalProperties": False,
}
DIAMOND: dict[str, Any] = {
    "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
    "$defs": {
        "base": {"properties": {"id": {"type": "integer", "minimum": 3}}, "required": ["id"]},
        "a": {"allOf": [{"$ref": "#/$defs/base"}], "properties": {"id": {"maximum": 9}}},
        "b": {"allOf": [{"$ref": "#/$defs/base"}], "required": ["name"], "type": "object"},
    },
}
NOTHING = False
"""The schema that nothing fits."""

SCHEMAS: list[tuple[Any, Any]] = [
    (True, "simulated"),
    ({}, "simulated"),
    ({"const": {"a": [1, None]}}, {"a": [1, None]}),
    ({"enum": ["x", 2, None], "type": ["integer", "null"]}, 2),
    ({"enum": [1, True], "const": True}, True),
    ({"type": "null"}, None),
    ({"type": ["null", "boolean"]}, True),
    ({"type": "string", "minLength": 12}, "simulated..."),
    ({"type": "string", "maxLength": 3}, "sim"),
    ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
    ({"type": "integer", "multipleOf": 2.5, "exclusiveMinimum": 5}, 10),
    ({"type": "integer", "maximum": -3}, -3),
    ({"type": "integer", "exclusiveMaximum": -3, "minimum": -4.5}, -4),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
    ({"type": "number", "minimum": 7, "exclusiveMinimum": 7}, 8),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
    ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
    ({"type": "array", "items": False}, []),
    ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False}, [1, 2]),
    ({"type": "array", "uniqueItems": True, "minItems": 2, "items": {"enum": [4, 4, 5]}}, [4, 5]),
    ({"type": "object", "required": ["x"], "additionalProperties": {"const": 1}}, {"x": 1}),
    ({"type": "object", "minProperties": 2, "properties": {"property1": {"const": 0}}}, None),
    ({"type": "object", "maxProperties": 1, "properties": {"a": {}, "b": {}}}, {"a": "simulated"}),
    ({"type": "object", "properties": {"a": {"not": {}}, "b": {"const": 1}}}, {"b": 1}),
    ({"oneOf": [{"type": "string", "minLength": 3, "maxLength": 2}, {"const": 7}]}, 7),
    ({"anyOf": [{"required": ["b"]}], "type": "object", "properties": {"b": {"const": 1}}}, None),
    ({"$ref": "#/$defs/node", "$defs": {"node": NODE}}, None),
    (DIAMOND, {"id": 3, "name": "simulated"}),
    ({"properties": {"a/b~c": {"const": 1}, "d": {"$ref": "#/properties/a~1b~0c"}}}, None),
    ({"anyOf": [{"const": 1}, {"$ref": "#/anyOf/0"}]}, 1),
]


def test_an_instance_fits_its_schema(subtests: pytest.Subtests) -> None:
    """Each supported keyword is honoured, in the way that is documented."""
    for schema, expected in SCHEMAS:
        with subtests.test(schema=schema):
            value = instance(schema)
            jsonschema_rs.validator_for(schema).validate(value)
            if expected is not None or schema == {"type": "null"}:
                assert json.dumps(value) == json.dumps(expected)


def test_each_format_has_a_valid_example(subtests: pytest.Subtests) -> None:
    """The string of each format is one, by the validator's check of formats."""
    for name in FORMATS:
        with subtests.test(format=name):
            schema = {"type": "string", "format": name}
            validator = jsonschema_rs.validator_for(schema, validate_formats=True)
            validator.validate(instance(schema))


def _fan(levels: int, last: Any, **keywords: Any) -> dict[str, Any]:
    """Return a schema whose instance doubles at each level."""
    definitions: dict[str, Any] = {f"d{levels}": last}
    for level in range(levels):
        below = {"$ref": f"#/$defs/d{level + 1}"}
        fields: Any = {
            "type": "object",
            "properties": {"a": below, "b": below},
            "required": ["a", "b"],
        }
        definitions[f"d{level}"] = {name: [below, below] for name in keywords} or fields
    return {"$ref": "#/$defs/d0", "$defs": definitions}


REFUSED: list[tuple[Any, str]] = [
    ([], "a schema must be a JSON object or a boolean"),
    (False, "no value is allowed"),
    ({"type": "text"}, "type must be one or several of object, array"),
    ({"type": ["string", {}]}, "type must be"),
    ({"type": "string", "minLength": -1}, "minLength must be a whole number of at least 0"),
    ({"type": "string", "minLength": True}, "minLength must be"),
    ({"type": "string", "minLength": 1_000_000_000}, "minLength is 1000000000"),
    ({"type": "string", "minLength": 3, "maxLength": 2}, "has from 3 to 2 characters"),
    ({"type": "string", "format": "date", "maxLength": 2}, "no string of the format"),
    ({"type": "integer", "minimum": "1"}, "minimum must be a number"),
    ({"type": "number", "minimum": float("nan")}, "minimum must be a number"),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "no number is within the bounds"),
    ({"type": "integer", "minimum": 1.2, "maximum": 1.8}, "no number is within the bounds"),
    ({"type": "number", "multipleOf": 0}, "multipleOf must be above 0"),
    ({"type": "array", "minItems": 1_000_000_000}, "minItems is 1000000000"),
    ({"type": "array", "minItems": 2, "maxItems": 1}, "minItems is above maxItems"),
    ({"type": "array", "minItems": 2, "uniqueItems": True}, "too few different items"),
    ({"type": "array", "prefixItems": {}}, "prefixItems must be a list of schemas"),
    (
        {"type": "array", "minItems": 300, "items": {"type": "string", "minLength": 1_000}},
        "items: an instance has more than 100000 characters",
    ),
    (
        {"type": "array", "minItems": 100, "items": {"type": "array", "minItems": 100}},
        "an instance has more than 5000 values",
    ),
    ({"type": "object", "minProperties": 1_000_000_000}, "minProperties is over the limit"),
    ({"type": "object", "required": ["a", "b"], "maxProperties": 1}, "maxProperties is below"),
    ({"type": "object", "properties": []}, "properties must be an object"),
    ({"type": "object", "required": [1]}, "required must be a list of names"),
    (
        {"properties": {"a": {"items": {"type": 1}, "minItems": 1}}, "required": ["a"]},
        "properties.a.items: type must be",
    ),
    ({"type": "object", "required": ["a"], "additionalProperties": False}, "no value is allowed"),
    ({"enum": []}, "enum must be a non-empty list"),
    ({"enum": [1], "type": "string"}, "no value of enum or const fits"),
    ({"enum": ["abc", 7], "maxLength": 2, "maximum": 6}, "no value of enum or const fits"),
    ({"const": {"a": 1}, "required": ["b"]}, "no value of enum or const fits"),
    ({"anyOf": []}, "anyOf must be a non-empty list of schemas"),
    ({"allOf": [{"type": "string"}, {"type": "null"}]}, "type has two values"),
    ({"pattern": "a"}, "the demo model does not support 'pattern'"),
    ({"if": {}}, "the demo model does not support 'if'"),
    ({"$ref": "#"}, "$ref '#' refers to itself without an end"),
    ({"$ref": "https://example.com/x"}, "$ref must begin with '#/'"),
    ({"$ref": "#/$defs/none"}, "$ref '#/$defs/none' does not exist"),
    ({"properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "refers to itself without an end"),
    (_fan(25, {}), "an instance has more than 5000 values"),
    (_fan(25, NOTHING, anyOf=True), "an instance has more than 5000 values"),
    (_fan(25, {}, allOf=True), "an instance has more than 5000 values"),
    (_fan(70, {"type": "null"}, anyOf=True), "the schema has more than 64 levels"),
    (
        {"type": "array", "minItems": 4_000, "items": {"enum": list(range(100))}},
        "the schema has more than 100000 entries to read",
    ),
]


def test_what_has_no_instance_is_refused(subtests: pytest.Subtests) -> None:
    """An error names the keyword and its place, and no schema takes work without a limit."""
    for schema, said in REFUSED:
        with subtests.test(said=said):
            with pytest.raises(SchemaError) as caught:
                instance(schema)
            assert said in str(caught.value)


def test_samples_stand_where_any_value_fits() -> None:
    """A text and a number are the given ones within the bounds of the schema."""
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "maximum": 7},
            "unit": {"enum": ["C", "F"]},
        },
    }
    value = instance(schema, Samples(text="Paris", number=12))
    assert value == {"city": "Paris", "days": 7, "unit": "C"}


_COUNTS = st.integers(0, 6)
_BOUNDS = st.one_of(st.integers(-20, 20), st.sampled_from([-2.5, -0.1, 0.3, 1e-7, 1e20]))
_STEPS = st.one_of(st.integers(1, 7), st.sampled_from([0.5, 0.25, 2.5]))
_LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": ["null", "string"]}),
    st.fixed_dictionaries({"enum": st.lists(st.integers(0, 3) | st.text(), min_size=1)}),
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": _COUNTS, "maxLength": _COUNTS}
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={
            "minimum": _BOUNDS,
            "maximum": _BOUNDS,
            "exclusiveMinimum": _BOUNDS,
            "exclusiveMaximum": _BOUNDS,
            "multipleOf": _STEPS,
        },
    ),
    st.just({"$ref": "#/$defs/shared"}),
)


def _containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b", "c"])
    properties = st.dictionaries(names, children, max_size=3)
    objects = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": properties},
        optional={
            "required": st.lists(names, unique=True),
            "additionalProperties": st.booleans() | children,
            "minProperties": _COUNTS,
            "maxProperties": _COUNTS,
        },
    )
    arrays = st.fixed_dictionaries(
        {"type": st.just("array"), "items": children},
        optional={"minItems": _COUNTS, "maxItems": _COUNTS, "uniqueItems": st.booleans()},
    )
    options = st.lists(children, min_size=1, max_size=3)
    choices = st.fixed_dictionaries({"anyOf": options}) | st.fixed_dictionaries({"allOf": options})
    return objects | arrays | choices


@given(st.recursive(_LEAVES, _containers, max_leaves=12), st.recursive(_LEAVES, _containers))
def test_any_instance_fits_its_schema(schema: dict[str, Any], shared: dict[str, Any]) -> None:
    """Whatever the keywords together ask for, a value that is made fits them."""
    whole = {**schema, "$defs": {"shared": shared}}
    try:
        value = instance(whole)
    except SchemaError:
        return
    jsonschema_rs.validator_for(whole).validate(value)
