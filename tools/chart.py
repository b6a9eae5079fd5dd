"""Generates the parts of the Helm chart: versions, settings schema, alert rules, dashboards."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from gateway_schema import DOCUMENT as GATEWAY_SCHEMA
from tokenwire import __version__
from tokenwire.config import Settings, variables
from tokenwire.config.files import names_of
from tokenwire.config.providers import PROVIDER_SETTINGS
from tool import ROOT

CHART: Final = Path("deploy/helm/tokenwire")
RULES: Final = Path("observability/prometheus")
DASHBOARDS: Final = Path("observability/dashboards")

SET_BY_THE_CHART: Final = {
    "listen",
    "metrics_listen",
    "config",
    "tls_certificate_file",
    "tls_key_file",
    "tls_client_ca_file",
    "api_key",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "status_token",
}
"""The settings that users cannot set among the chart's settings: those that its templates set, and
secrets, which `extraEnv` takes from a Secret."""
REQUIRED_BY_THE_CHART: Final = ["TOKENWIRE_DRAIN_SECONDS", "TOKENWIRE_GRACE_SECONDS"]
"""The settings that the chart's templates read."""


def chart(root: Path) -> None:
    """Write the generated parts of the chart."""
    folder = root / CHART
    folder.mkdir(parents=True, exist_ok=True)
    head = (ROOT / CHART / "Chart.yaml").read_text("utf-8")
    head = re.sub(r"^version: .*$", f"version: {__version__}", head, flags=re.MULTILINE)
    head = re.sub(r"^appVersion: .*$", f'appVersion: "{__version__}"', head, flags=re.MULTILINE)
    (folder / "Chart.yaml").write_text(head, "utf-8")

    schema = json.loads((ROOT / CHART / "values.schema.json").read_text("utf-8"))
    schema["properties"]["settings"] = settings_schema()
    file = gateway_file_schema()
    schema["$defs"] = file.pop("$defs") | {"GatewayFile": file}
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    (folder / "values.schema.json").write_text(f"{text}\n", "utf-8")

    copies = {"rules": list(rule_files()), "dashboards": sorted((ROOT / DASHBOARDS).glob("*.json"))}
    for kind, sources in copies.items():
        place = folder / "files" / kind
        place.mkdir(parents=True, exist_ok=True)
        for stale in place.iterdir():
            stale.unlink()
        for source in sources:
            (place / source.name).write_bytes(source.read_bytes())


def gateway_file_schema() -> dict[str, Any]:
    """Return the JSON schema of the gateway file, which the value `gatewayFile.content` is."""
    schema: dict[str, Any] = json.loads((ROOT / GATEWAY_SCHEMA).read_text("utf-8"))
    del schema["$schema"]
    return schema


def rule_files() -> Iterator[Path]:
    """Yield the files of alerting and recording rules, without tests and configuration."""
    for path in sorted((ROOT / RULES).glob("*.yml")):
        if "groups" in yaml.safe_load(path.read_text("utf-8")):
            yield path


def settings_schema() -> dict[str, Any]:
    """Return the JSON schema of the chart's value `settings`."""
    properties = Settings.model_json_schema()["properties"]
    own = {
        name: _property(properties[variables(field)[0]])
        for field in Settings.model_fields
        if field not in SET_BY_THE_CHART
        for name in variables(field)
    }
    for provider in PROVIDER_SETTINGS.values():
        schemas = provider.model_json_schema()["properties"]
        names = [
            names_of(field)
            for name, field in provider.model_fields.items()
            if name not in SET_BY_THE_CHART
        ]
        own |= {name: _property(schemas[group[0]]) for group in names for name in group}
    return {
        "type": "object",
        "required": REQUIRED_BY_THE_CHART,
        "additionalProperties": False,
        "properties": own,
        # The variables that the OpenTelemetry SDK reads.
        "patternProperties": {"^OTEL_[A-Z0-9_]+$": {"type": ["string", "number", "boolean"]}},
    }


def _property(schema: dict[str, Any]) -> dict[str, Any]:
    # The schema of an optional setting also allows null; in the chart it is omitted instead.
    value = schema.get("anyOf", [schema])[0]
    if value["type"] == "array":
        value = {"type": "string"}
    kept = {key: part for key, part in value.items() if key not in {"default", "title", "format"}}
    return {"description": schema["description"], **kept}
