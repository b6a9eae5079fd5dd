"""The image's software bill of materials."""

import json
import subprocess
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from support.image_sources import ARGUMENTS
from support.locks import locked
from support.programs import ROOT
from tokenwire import __version__

# The first test includes the build of the image, unless it is built already.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(1500)]

IN_THE_IMAGE = {"python_version": "3.11", "python_full_version": "3.11.0", "sys_platform": "linux"}


@pytest.fixture(scope="module")
def sbom() -> dict[str, Any]:
    """The SBOM that `make sbom` writes."""
    path = ROOT / "dist" / "tokenwire.cdx.json"
    path.unlink(missing_ok=True)
    subprocess.run(["make", "sbom", "ENGINE=local"], cwd=ROOT, check=True)
    written: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return written


def versions(sbom: dict[str, Any], kind: str) -> dict[str, str]:
    """Return the name and version of each component whose package URL is of this type."""
    found = [each for each in sbom["components"] if each["purl"].startswith(f"pkg:{kind}/")]
    return {each["name"]: each["version"] for each in found}


def test_it_is_the_projects(sbom: dict[str, Any]) -> None:
    """The SBOM is a CycloneDX document about this version of tokenwire."""
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    component = sbom["metadata"]["component"]
    assert (component["name"], component["version"]) == ("tokenwire", __version__)


def test_it_names_every_package_of_the_lock(sbom: dict[str, Any]) -> None:
    """The Python packages of the SBOM are the client and those in the lock file, and no others."""
    named = versions(sbom, "pypi")
    expected = locked(ROOT / "requirements.lock", IN_THE_IMAGE) | {"tokenwire-client": __version__}
    assert {canonicalize_name(name): version for name, version in named.items()} == expected


def test_it_names_what_else_is_in_the_image(sbom: dict[str, Any]) -> None:
    """The SBOM includes the versions of Debian packages, Python and the health probe."""
    debian = versions(sbom, "deb")
    assert {"libc6", "libssl3", "ca-certificates"} <= set(debian)
    assert versions(sbom, "generic")["python"].startswith("3.11.")
    assert versions(sbom, "golang") == {"grpc-health-probe": ARGUMENTS["GRPC_HEALTH_PROBE"]}
