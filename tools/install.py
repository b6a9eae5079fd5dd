"""Bring the tools from outside Python into .tools; `make tools` calls this.

With names as arguments, only those come: `make bench` needs no Node.

Every tool has a pin. A stamp under .tools/stamps holds the pin that was
installed: it goes away before an install and comes back only after a good one,
so a second run is quick and a broken install is done again.

To move to other versions: change GO_TOOLS here; change package.json in
tools/node or examples/node and run `npm install --package-lock-only` there;
change tools/litellm or benchmarks/peers/requirements.in and run `make lock`;
see tools/kubernetes_tools.py for those of the chart.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from kubernetes_tools import kubernetes_tools
from tool import BIN, ROOT, TOOLS, Tool, digest, environment, go_install, link, run

LOAD = ROOT / "benchmarks" / "load"
PEERS_LOCK = ROOT / "benchmarks" / "peers" / "requirements.lock"
LITELLM_LOCK = ROOT / "tools" / "litellm" / "requirements.lock"

# Name of the program -> package and version for `go install`.
GO_TOOLS = {
    "grpcurl": "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
    "grpc-health-probe": "github.com/grpc-ecosystem/grpc-health-probe@v0.4.61",
    "protoc-gen-go": "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12",
    "protoc-gen-go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
}


def npm_ci(folder: Path) -> None:
    """Install exactly what the folder's lock file says, running no package's scripts."""
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)


def buf() -> None:
    """Install buf, away from the committed files."""
    folder = TOOLS / "node"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "tools" / "node", folder)
    npm_ci(folder)
    link(folder / "node_modules" / ".bin" / "buf")


def litellm() -> None:
    """Install LiteLLM's proxy."""
    environment(TOOLS / "litellm", LITELLM_LOCK)
    link(TOOLS / "litellm" / "bin" / "litellm")


def bench_peers() -> None:
    """Install what the benchmark's peers in Python are made of."""
    environment(TOOLS / "bench-peers", PEERS_LOCK)


def nginx() -> None:
    """Take Debian's nginx out of its package: installing that would start a service."""
    folder = TOOLS / "nginx"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    hint = "make bench-peers: needs nginx on PATH; install it and run this again"
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        sys.exit(hint)
    run("apt-get", "download", "--quiet", "nginx", cwd=folder)
    run("dpkg", "--extract", *folder.glob("nginx_*.deb"), folder)
    program = folder / "usr" / "sbin" / "nginx"
    if subprocess.run([program, "-v"], check=False).returncode != 0:
        sys.exit(hint)
    link(program)


def load() -> None:
    """Build the benchmark's load generator and upstream."""
    # protoc comes as a Python package, its plugins by GO_TOOLS.
    path = os.pathsep.join([str(Path(sys.executable).parent), str(BIN), os.environ["PATH"]])
    shutil.rmtree(LOAD / "gen", ignore_errors=True)
    run("go", "generate", cwd=LOAD, PATH=path)
    run("go", "build", "-o", BIN / "load", ".", cwd=LOAD)


def tools() -> Iterator[Tool]:
    """List everything with a stamp that tests need, quick ones first."""
    npm_files = ("package.json", "package-lock.json")
    node = [ROOT / "tools" / "node" / name for name in npm_files]
    yield Tool("buf", digest(*node), BIN / "buf", buf)

    example = ROOT / "examples" / "node"
    yield Tool(
        "node-example",
        digest(*(example / name for name in npm_files)),
        example / "node_modules" / ".package-lock.json",
        lambda: npm_ci(example),
    )
    for name, package in GO_TOOLS.items():
        yield Tool(name, package, BIN / name, partial(go_install, package))

    sources = [*sorted(LOAD.glob("*.go")), LOAD / "go.mod", LOAD / "go.sum"]
    contract = ROOT / "proto" / "tokenwire" / "v1" / "chatgpt.proto"
    yield Tool("load", digest(*sources, contract), BIN / "load", load)

    here = (sys.version, str(ROOT))
    peers_python = TOOLS / "bench-peers" / "bin" / "python"
    yield Tool("bench-peers", digest(PEERS_LOCK, *here), peers_python, bench_peers)
    yield Tool("litellm", digest(LITELLM_LOCK, *here), BIN / "litellm", litellm)
    yield from kubernetes_tools()


def extras() -> Iterator[Tool]:
    """List what comes only by name."""
    if not shutil.which("nginx"):
        yield Tool("nginx", "as Debian has it", BIN / "nginx", nginx)


def need(name: str, minimum: tuple[int, ...], *version_command: str) -> None:
    """End the run with one line if a language's own tools are missing or too old."""
    found = "none"
    if shutil.which(version_command[0]):
        asked = subprocess.run(
            version_command, capture_output=True, text=True, check=False, cwd=TOOLS.parent
        )
        found = asked.stdout.strip() or asked.stderr.strip()
    version = tuple(map(int, re.findall(r"\d+", found)[: len(minimum)]))
    if version < minimum:
        wanted = ".".join(map(str, minimum))
        sys.exit(
            f"make tools: needs {name} {wanted} or newer on PATH, found {found}; "
            "install it and run `make tools` again"
        )


def main() -> None:
    """Bring every tool, and what the examples are built from; or only what is named."""
    chosen = set(sys.argv[1:])
    need("Go", (1, 26), "go", "env", "GOVERSION")
    if not chosen:
        need("Node", (20,), "node", "--version")
        need("npm", (10,), "npm", "--version")
    for tool in (*tools(), *extras()) if chosen else tools():
        if not chosen or tool.name in chosen:
            tool.bring()
    if not chosen:
        # Go keeps its own record of what it has downloaded, so this needs no stamp.
        run("go", "mod", "download", cwd=ROOT / "examples" / "go")


if __name__ == "__main__":
    main()
