"""The snippets of docs/scaling.md."""

from typing import Any, Final

import yaml

from support.fenced import fenced
from support.programs import ROOT

TEXT: Final = (ROOT / "docs" / "scaling.md").read_text("utf-8")
_YAML: Final[list[dict[str, Any]]] = [yaml.safe_load(block) for block in fenced(TEXT, "yaml")]
[ADAPTER_RULES] = (each for each in _YAML if "rules" in each)
"""The configuration of prometheus-adapter."""
VALUES: Final = [each for each in _YAML if "rules" not in each]
"""The values of the chart."""
COMMANDS: Final = [line for block in fenced(TEXT, "sh") for line in block.splitlines()]
