"""The rules with all durations divided by 100, so that a test need not wait for hours.

Ranges, offsets and `for` are rewritten; the rest of expressions and thresholds is unchanged.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from prometheus_server import RULES

FACTOR = 1 / 100
SECONDS = {"m": 60, "h": 3600, "d": 86400}


def names_in_rules() -> set[str]:
    """Return the names of all series that the rules read, and other words with an underscore."""
    return {name for source in RULES for name in re.findall(r"[a-z]+_\w+", source.read_text())}


def scaled_rules(folder: Path) -> list[Path]:
    """Write the rules into `folder`, with all durations divided by 100."""
    return [scaled(yaml.safe_load(source.read_text()), folder / source.name) for source in RULES]


def scaled(content: dict[str, Any], target: Path) -> Path:
    """Write the content of a file of rules to `target`, with all durations divided by 100."""
    for group in content["groups"]:
        for rule in group["rules"]:
            rule["expr"] = re.sub(
                r"(?<=\[)\w+(?=\])|(?<=offset )\w+", lambda found: _shorter(found[0]), rule["expr"]
            )
            if "for" in rule:
                rule["for"] = _shorter(rule["for"])
    target.write_text(yaml.safe_dump(content))
    return target


def _shorter(duration: str) -> str:
    return f"{int(duration[:-1]) * SECONDS[duration[-1]] * FACTOR * 1000:.0f}ms"
