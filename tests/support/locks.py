"""What the lock files list."""

import re
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def locked(lock: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the version of each package that a lock has for an environment.

    Args:
        lock: A file that `make lock` writes.
        environment: Values of environment markers in place of this interpreter's own.
    """
    lines = re.findall(r"^([a-z0-9].*?) \\$", lock.read_text("utf-8"), re.MULTILINE)
    needs = [Requirement(line) for line in lines]
    return {
        canonicalize_name(need.name): str(need.specifier).removeprefix("==")
        for need in needs
        if need.marker is None or need.marker.evaluate(dict(environment or {}))
    }
