"""What a run ran on."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from benchmarks.server import Server

TELL_VERSIONS = """
import importlib.metadata, json, platform, sys
versions = {"Python": platform.python_version()}
versions |= {name: importlib.metadata.version(name) for name in sys.argv[1:]}
print(json.dumps(versions))
"""


def machine() -> dict[str, str]:
    """Describe the machine, without its name."""
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
    """Ask each server's own interpreter for the versions of its packages."""
    return {server.name: _versions(server) for server in servers}


def _versions(server: Server) -> dict[str, str]:
    if not server.packages:
        told = _run(server.program, "-v").stderr.strip()
        return {server.name: told.rpartition("/")[2]}
    told = _run(server.program, "-c", TELL_VERSIONS, *server.packages).stdout
    found: dict[str, str] = json.loads(told)
    return found


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True)
