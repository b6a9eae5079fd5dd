"""Generates an instance of a JSON schema, the same one each time."""

from tokenwire_demo.schema.errors import SchemaError
from tokenwire_demo.schema.instance import Samples, instance

__all__ = ["Samples", "SchemaError", "instance"]
