"""The contents of the lock files."""

import re
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def locked(lock: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the locked version of each package that an environment needs.

    Args:
        lock: A file that `make lock` writes.
        environment: Values of environment markers that override those of this interpreter.
    """
    lines = re.findall(r"^([a-z0-9].*?) \\$", lock.read_text("utf-8"), re.MULTILINE)
    needs = [Requirement(line) for line in lines]
    return {
        canonicalize_name(need.name): str(need.specifier).removeprefix("==")
        for need in needs
        if need.marker is None or need.marker.evaluate(dict(environment or {}))
    }
