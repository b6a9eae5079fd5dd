"""Describes the machine of a run and the versions of the servers."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from benchmarks.server import Server

VERSIONS_SCRIPT = """
import importlib.metadata, json, platform, sys
versions = {"Python": platform.python_version()}
versions |= {name: importlib.metadata.version(name) for name in sys.argv[1:]}
print(json.dumps(versions))
"""


def machine() -> dict[str, str]:
    """Return the properties of this machine, without its host name."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    models = [
        line.partition(":")[2].strip()
        for line in cpuinfo.splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "CPU": models[0] if models else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
    }


def versions(servers: Iterable[Server]) -> dict[str, dict[str, str]]:
    """Return the package versions of each server, as its own interpreter reports them."""
    return {server.name: _versions(server) for server in servers}


def _versions(server: Server) -> dict[str, str]:
    if not server.packages:
        version = _run(server.program, "-v").stderr.strip()
        return {server.name: version.rpartition("/")[2]}
    output = _run(server.program, "-c", VERSIONS_SCRIPT, *server.packages).stdout
    versions: dict[str, str] = json.loads(output)
    return versions


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True)
