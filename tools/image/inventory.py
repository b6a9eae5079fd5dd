"""Adds Debian packages, Python and the health probe to the SBOM of the Python packages.

Runs during the image build with the image's Python; reads the SBOM from stdin and writes it to
stdout.
"""

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any
from urllib.parse import quote


def debian_packages() -> Iterator[dict[str, str]]:
    """Yield a component for each Debian package."""
    shown = "--showformat=${Package} ${Version} ${Architecture}\n"
    listed = subprocess.run(
        ["dpkg-query", "--show", shown], check=True, stdout=subprocess.PIPE, text=True
    )
    for line in listed.stdout.splitlines():
        name, release, architecture = line.split()
        url = f"pkg:deb/debian/{quote(name)}@{quote(release)}?arch={architecture}"
        yield component(name, release, url)


def component(name: str, release: str, url: str, kind: str = "library") -> dict[str, str]:
    """Return a component, identified by its package URL."""
    return {"type": kind, "bom-ref": url, "name": name, "version": release, "purl": url}


def main() -> None:
    """Complete the SBOM; the argument is the version of the health probe."""
    [probe] = sys.argv[1:]
    document: dict[str, Any] = json.load(sys.stdin)
    # The SBOM generator cannot determine the project's version; the installed package has it.
    document["metadata"]["component"]["version"] = version("tokenwire")
    python, module = platform.python_version(), "github.com/grpc-ecosystem/grpc-health-probe"
    document["components"] += [
        component("python", python, f"pkg:generic/python@{python}", "application"),
        component("grpc-health-probe", probe, f"pkg:golang/{module}@{probe}", "application"),
        *debian_packages(),
    ]
    json.dump(document, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
