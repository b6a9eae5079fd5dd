"""JSON schemas for kubeconform, built from what `make tools` downloads."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from tool import TOOLS

DEFINITIONS: Final = TOOLS / "crds"
VERSIONS: Final = ("1.27.0", "1.31.0", "1.34.0", "1.37.0")
"""From the oldest version that the chart supports to the newest in kubernetes-validate."""


def of_kubernetes(folder: Path) -> str:
    """Write the strict schemas of Kubernetes into `folder` and return kubeconform's pattern."""
    pattern = "lib/python*/site-packages/kubernetes_validate/kubernetes-json-schema"
    [carried] = (TOOLS / "kubernetes").glob(pattern)
    for version in VERSIONS:
        place = folder / f"v{version}"
        place.mkdir()
        for path in (carried / f"v{version}-local-strict").glob("*.json"):
            schema = json.loads(path.read_text("utf-8").replace("/api/_def", "_def"))
            # With these keys, references would be resolved on the web and not beside the file.
            for name in ("$schema", "$id"):
                schema.pop(name, None)
            (place / path.name).write_text(json.dumps(schema), "utf-8")
    file = "{{.ResourceKind}}{{.KindSuffix}}.json"
    return f"{folder}/{{{{.NormalizedKubernetesVersion}}}}/{file}"


def of_definitions(folder: Path) -> str:
    """Write a schema for each custom resource into `folder` and return kubeconform's pattern."""
    for path in DEFINITIONS.glob("*.yaml"):
        [definition] = [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each]
        for version in definition["spec"]["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            # Every object has metadata, and definitions do not specify it.
            schema["properties"]["metadata"] = {"type": "object"}
            (folder / f"{path.stem}_{version['name']}.json").write_text(json.dumps(schema))
    return f"{folder}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json"


def closed(schema: Any) -> Any:
    """Return a schema that rejects unknown fields, about which the API server warns."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(part) for key, part in schema.items() if key != "format"}
    if made.pop("x-kubernetes-int-or-string", False) is True:
        made.pop("anyOf", None)
        made["type"] = ["integer", "string"]
    if "properties" in made and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made
