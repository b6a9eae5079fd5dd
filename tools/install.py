"""Installs the tools that are not Python packages into .tools; `make tools` runs this.

With names as arguments, only those tools are installed: `make bench` needs no Node.

Every tool has a pin. A stamp under .tools/stamps has the pin of the installed
version. The stamp is removed before an installation and written after it
succeeds, so a second run does nothing and a failed installation is repeated.

To move to other versions: change GO_TOOLS here; change package.json in
tools/node or examples/node and run `npm install --package-lock-only` there;
change requirements.in in tools/litellm, tools/langchain-tests, tools/xai,
tools/aiplatform or benchmarks/peers and run `make lock` (tools/llama_server.py
says it of llama.cpp); change tools/otelcol/manifest.yaml or examples/java/pom.xml;
change examples/rust/Cargo.toml and run `cargo update` there; see
tools/kubernetes_tools.py and tools/proxy_tools.py for others. Debian decides about
Prometheus, nginx, Redis and Chromium, and about Maven and the JDK where they are
missing. The plugins of protoc are tools of gen/go/go.mod: run
`go get -tool PLUGIN@VERSION` there.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from kubernetes_tools import kubernetes_tools
from llama_server import llama_server
from proxy_tools import proxy_tools
from tool import BIN, ROOT, TOOLS, Tool, digest, environment, go_install, link, run

LOAD = ROOT / "benchmarks" / "load"
BALANCING = ROOT / "tests" / "tools" / "balancing"
CLUSTER_LOAD = ROOT / "tests" / "cluster" / "load"
ADAPTER = ROOT / "tests" / "cluster" / "adapter"
PEERS_LOCK = ROOT / "benchmarks" / "peers" / "requirements.lock"
LITELLM_LOCK = ROOT / "tools" / "litellm" / "requirements.lock"
LANGCHAIN_TESTS_LOCK = ROOT / "tools" / "langchain-tests" / "requirements.lock"
XAI_LOCK = ROOT / "tools" / "xai" / "requirements.lock"
RUST_EXAMPLE = ROOT / "examples" / "rust"
AIPLATFORM_LOCK = ROOT / "tools" / "aiplatform" / "requirements.lock"
JAVA_EXAMPLE = ROOT / "examples" / "java"
OTELCOL_MANIFEST = ROOT / "tools" / "otelcol" / "manifest.yaml"

# Name of the program -> package and version for `go install`.
GO_TOOLS = {
    "grpcurl": "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
    "grpc-health-probe": "github.com/grpc-ecosystem/grpc-health-probe@v0.4.61",
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12",
}
NOT_BUILT = {"prometheus", "chromium", "llama-server", "envoy"}
"""The tools whose installation does not need Go."""
CONTAINERS = ("buildah", "podman", "runc", "debootstrap")


def npm_ci(folder: Path) -> None:
    """Install the packages of a folder's lock file, without running their scripts."""
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)


def buf() -> None:
    """Install buf into a copy of its package, so that the work tree stays clean."""
    folder = TOOLS / "node"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "tools" / "node", folder)
    npm_ci(folder)
    link(folder / "node_modules" / ".bin" / "buf")


def java_example() -> None:
    """Build the Java examples, with their dependencies beside them."""
    shutil.rmtree(JAVA_EXAMPLE / "target", ignore_errors=True)
    run("mvn", "--batch-mode", "--quiet", "compile", cwd=JAVA_EXAMPLE)


def rust_example() -> None:
    """Build the Rust example, without what only debuggers need."""
    run("cargo", "build", "--quiet", "--locked", cwd=RUST_EXAMPLE, CARGO_PROFILE_DEV_DEBUG="0")


def litellm() -> None:
    """Install LiteLLM's proxy."""
    environment(TOOLS / "litellm", LITELLM_LOCK)
    link(TOOLS / "litellm" / "bin" / "litellm")


def langchain_tests() -> None:
    """Install LangChain's standard tests, whose plugins of pytest stay out of other tests."""
    environment(TOOLS / "langchain-tests", LANGCHAIN_TESTS_LOCK)


def xai_sdk() -> None:
    """Install the official client of xAI's API."""
    environment(TOOLS / "xai", XAI_LOCK)


def aiplatform() -> None:
    """Install Google's generated client of Vertex AI."""
    environment(TOOLS / "aiplatform", AIPLATFORM_LOCK)


def bench_peers() -> None:
    """Install the dependencies of the benchmark's Python peers."""
    environment(TOOLS / "bench-peers", PEERS_LOCK)


def debian(package: str, *programs: str) -> None:
    """Link programs on PATH, or extract them from a Debian package.

    The package is not installed, because that would start its service.
    """
    found = [shutil.which(Path(program).name) for program in programs]
    if not all(found):
        folder = TOOLS / package
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            sys.exit(f"make tools: needs {package} on PATH; install it and run this again")
        run("apt-get", "download", "--quiet", package, cwd=folder)
        run("dpkg", "--extract", *folder.glob(f"{package}_*.deb"), folder)
        found = [str(folder / program) for program in programs]
    for program in map(str, found):
        subprocess.run([program, "-h"], check=True, capture_output=True)
        link(Path(program))


def otelcol() -> None:
    """Build an OpenTelemetry collector with the components of its manifest."""
    source = OTELCOL_MANIFEST.read_text("utf-8")
    [version] = re.findall(r"^  version: (\S+)$", source, re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.yaml"
        manifest.write_text(source.replace("dist:\n", f"dist:\n  output_path: {folder}/out\n"))
        builder = f"go.opentelemetry.io/collector/cmd/builder@v{version}"
        run("go", "run", builder, "--config", manifest, "--ldflags=-s -w")
        shutil.copy(Path(folder) / "out" / "otelcol", BIN / "otelcol")


def debian_packages(*names: str) -> None:
    """Install Debian packages, which requires root."""
    hint = f"make tools: needs {', '.join(names)} on PATH; install them and run this again"
    if not shutil.which("apt-get") or os.geteuid() != 0:
        sys.exit(hint)
    install = ("apt-get", "install", "--quiet", "--yes", "--no-install-recommends")
    run("apt-get", "update", "--quiet")
    run(*install, *names, DEBIAN_FRONTEND="noninteractive")


def load() -> None:
    """Build the benchmark's load generator and upstream."""
    run("go", "build", "-o", BIN / "load", ".", cwd=LOAD)


def balancing() -> None:
    """Build the client of the tests of load balancing."""
    run("go", "build", "-o", BIN / "balancing", ".", cwd=BALANCING)


def cluster_load() -> None:
    """Build the Go client of the tests on a cluster, which also runs where there is no libc."""
    run("go", "build", "-o", BIN / "cluster-load", ".", cwd=CLUSTER_LOAD, CGO_ENABLED="0")


def prometheus_adapter() -> None:
    """Build prometheus-adapter from packages most of which tests/cluster/node compiles too."""
    # As in tests/cluster/node/programs.sh, and for its reasons; then Go's cache has the packages.
    compiler = ("-gcflags", "all=-dwarf=false -l", "-gcflags", "std=-dwarf=false")
    out = ("-ldflags", "-s -w", "-o", BIN / "prometheus-adapter")
    flags = ("-p", "2", "-trimpath", *compiler, *out)
    memory = {"GOGC": "off", "GOMEMLIMIT": "2GiB"}
    run("go", "build", *flags, ".", cwd=ADAPTER, CGO_ENABLED="0", GOWORK="off", **memory)


def tools() -> Iterator[Tool]:
    """Yield every tool that tests need, the fastest to install first."""
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
    if not all(map(shutil.which, ("javac", "mvn"))):
        yield installed_by_debian("maven", Path("/usr/bin/mvn"), "default-jdk-headless", "maven")
    java = sorted((JAVA_EXAMPLE / "src").rglob("*.java"))
    proto = ROOT / "proto" / "tokenwire" / "v1" / "chatgpt.proto"
    yield Tool(
        "java-example",
        digest(JAVA_EXAMPLE / "pom.xml", proto, *java),
        JAVA_EXAMPLE / "target" / "classes" / "io" / "tokenwire" / "examples" / "Chat.class",
        java_example,
    )
    yield Tool(
        "rust-example",
        digest(
            *(RUST_EXAMPLE / name for name in ("Cargo.toml", "Cargo.lock", "build.rs")),
            RUST_EXAMPLE / "src" / "main.rs",
            proto,
        ),
        RUST_EXAMPLE / "target" / "debug" / "tokenwire-examples",
        rust_example,
    )
    for name, package in GO_TOOLS.items():
        yield Tool(name, package, BIN / name, partial(go_install, package))

    stubs = sorted((ROOT / "gen" / "go").rglob("*.go"))
    sources = [*sorted(LOAD.glob("*.go")), LOAD / "go.mod", LOAD / "go.sum", *stubs]
    yield Tool("load", digest(*sources), BIN / "load", load)

    sources = [*sorted(BALANCING.glob("*.go")), BALANCING / "go.mod", BALANCING / "go.sum", *stubs]
    yield Tool("balancing", digest(*sources), BIN / "balancing", balancing)

    own = (CLUSTER_LOAD / name for name in ("load.go", "go.mod", "go.sum"))
    yield Tool("cluster-load", digest(*own, *stubs), BIN / "cluster-load", cluster_load)

    module = (ADAPTER.parent / name for name in ("go.mod", "go.sum"))
    proof = BIN / "prometheus-adapter"
    yield Tool(proof.name, digest(ADAPTER / "main.go", *module), proof, prometheus_adapter)

    here = (sys.version, str(ROOT))
    peers_python = TOOLS / "bench-peers" / "bin" / "python"
    yield Tool("bench-peers", digest(PEERS_LOCK, *here), peers_python, bench_peers)
    yield Tool("litellm", digest(LITELLM_LOCK, *here), BIN / "litellm", litellm)
    yield llama_server()
    standard_python = TOOLS / "langchain-tests" / "bin" / "python"
    standard_pin = digest(LANGCHAIN_TESTS_LOCK, *here)
    yield Tool("langchain-tests", standard_pin, standard_python, langchain_tests)
    yield Tool("xai-sdk", digest(XAI_LOCK, *here), TOOLS / "xai" / "bin" / "python", xai_sdk)
    aiplatform_python = TOOLS / "aiplatform" / "bin" / "python"
    yield Tool("aiplatform", digest(AIPLATFORM_LOCK, *here), aiplatform_python, aiplatform)
    yield from_debian("prometheus", "usr/bin/prometheus", "usr/bin/promtool")
    yield from_debian("nginx", "usr/sbin/nginx")
    yield Tool("otelcol", digest(OTELCOL_MANIFEST), BIN / "otelcol", otelcol)
    yield from (*kubernetes_tools(), *proxy_tools(npm_ci))
    if not all(map(shutil.which, CONTAINERS)):
        # Builds and runs the image on machines without Docker.
        yield installed_by_debian("containers", Path("/usr/bin/podman"), *CONTAINERS)
    if not shutil.which("redis-server"):
        yield installed_by_debian("redis", Path("/usr/bin/redis-server"), "redis-server")
    if not shutil.which("chromium"):
        yield installed_by_debian("chromium", Path("/usr/bin/chromium"), "chromium")


def from_debian(package: str, *programs: str) -> Tool:
    """Return a tool that is extracted from a Debian package of the distribution's version."""
    proof = BIN / Path(programs[0]).name
    return Tool(package, "as Debian has it", proof, lambda: debian(package, *programs))


def installed_by_debian(name: str, proof: Path, *packages: str) -> Tool:
    """Return a tool whose Debian packages must be installed."""
    return Tool(name, "as Debian has it", proof, partial(debian_packages, *packages))


def require_version(name: str, minimum: tuple[int, ...], *version_command: str) -> None:
    """Exit with one line if a language's toolchain is missing or too old."""
    found = "none"
    if shutil.which(version_command[0]):
        done = subprocess.run(
            version_command, capture_output=True, text=True, check=False, cwd=TOOLS.parent
        )
        found = done.stdout.strip() or done.stderr.strip()
    version = tuple(map(int, re.findall(r"\d+", found)[: len(minimum)]))
    if version < minimum:
        wanted = ".".join(map(str, minimum))
        sys.exit(
            f"make tools: needs {name} {wanted} or newer on PATH, found {found}; "
            "install it and run `make tools` again"
        )


def main() -> None:
    """Install the named tools; by default all, with the dependencies of the examples."""
    chosen = set(sys.argv[1:])
    if not chosen or chosen - NOT_BUILT:
        require_version("Go", (1, 26), "go", "env", "GOVERSION")
    if not chosen:
        require_version("Node", (20,), "node", "--version")
        require_version("npm", (10,), "npm", "--version")
        require_version("Rust", (1, 88), "cargo", "--version")
    for tool in tools():
        if not chosen or tool.name in chosen:
            tool.ensure()
    if not chosen:
        # Needs no stamp, because Go skips downloaded modules.
        for module in ("gen/go", "examples/go"):
            run("go", "mod", "download", cwd=ROOT / module)


if __name__ == "__main__":
    main()
