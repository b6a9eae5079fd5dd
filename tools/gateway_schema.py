"""Generates docs/gateway.schema.json, the JSON Schema of the gateway file, which editors use."""

import json
from pathlib import Path
from typing import Any

from tokenwire.config.gateway import GatewayFile

DOCUMENT = "docs/gateway.schema.json"


def gateway_schema(root: Path) -> None:
    """Write the schema."""
    schema = GatewayFile.model_json_schema(mode="validation")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_titles(schema)}
    path = root / DOCUMENT
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")


def _without_titles(value: Any) -> Any:
    """Return a schema without the titles that pydantic makes of the names."""
    if isinstance(value, dict):
        named = {key: each for key, each in value.items() if not _is_title(key, each)}
        return {key: _without_titles(each) for key, each in named.items()}
    return [_without_titles(each) for each in value] if isinstance(value, list) else value


def _is_title(key: str, value: object) -> bool:
    return key == "title" and isinstance(value, str)
