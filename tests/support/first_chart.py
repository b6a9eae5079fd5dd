"""The chart as it was first released, for upgrades from it."""

import tarfile
from typing import Any, Final

import yaml

from support.programs import ROOT

FIRST_CHART: Final = ROOT / "tests" / "cluster" / "charts" / "first.tgz"


def first_values() -> dict[str, Any]:
    """Return the chart's own values.yaml, of which users may have a copy."""
    with tarfile.open(FIRST_CHART) as tar:
        file = tar.extractfile("tokenwire/values.yaml")
        assert file is not None
        loaded: dict[str, Any] = yaml.safe_load(file)
    return loaded
