"""Writes every generated file; `make generate` runs this.

Each generator takes the root directory to write to, so that a test can generate into an empty
directory and compare.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from google.api import httpbody_pb2

from chart import chart
from dashboards import dashboards
from errors_doc import errors_doc
from gateway_schema import gateway_schema
from install import GO_TOOLS
from metrics_doc import metrics_doc
from settings_doc import settings_table
from tokenwire import __version__
from tokenwire_demo import scenario_table, step_tables
from tool import ROOT

PROTO = "tokenwire/v1/chatgpt.proto"
ORCA = ("tokenwire/xds/orca_load_report.proto", "tokenwire/xds/orca_service.proto")
OTHER_PROTOS = (
    "tokenwire/xai/v1/xai.proto",
    "tokenwire/aiplatform/v1beta1/prediction_service.proto",
)
"""The contracts of others, of which the service serves a part."""
PYTHON_PACKAGE = re.compile(r"(?<![\w.])tokenwire\.v1\b")
"""In stubs. Behind a dot it is Java's package."""
SIMULATOR = "examples/kubernetes/simulator.yaml"
VERSIONS = ("client/tokenwire_client/version.py", "demo/tokenwire_demo/version.py")


def stubs(root: Path) -> None:
    """Write the Python stubs of the contract to client/tokenwire_client/v1."""
    for name, text in compiled(PROTO):
        # protoc names Python's package after the path of the proto file, which is the
        # contract's: other languages and reflection know it.
        renamed = PYTHON_PACKAGE.sub("tokenwire_client.v1", text)
        write_stub(root / "client" / "tokenwire_client" / "v1" / name, renamed)


def other_stubs(root: Path) -> None:
    """Write the Python stubs of the contracts of others, which only the service uses."""
    for proto in OTHER_PROTOS:
        for name, text in compiled(proto):
            write_stub((root / "service" / proto).parent / name, text)


def google_protos() -> Path:
    """Return the folder of Google's common protos, which the package of their stubs has."""
    return Path(httpbody_pb2.__file__).parent.parent.parent


def compiled(proto: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each Python stub of a file under proto/."""
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT / 'proto'}"]
    protoc += [f"--proto_path={google_protos()}"]
    with tempfile.TemporaryDirectory() as made:
        subprocess.run(
            [
                *protoc,
                *(f"--python_out={made}", f"--mypy_out={made}"),
                *(f"--grpc_python_out={made}", f"--mypy_grpc_out={made}"),
                proto,
            ],
            check=True,
            # The mypy plugins of protoc are installed next to the interpreter.
            env={"PATH": str(Path(sys.executable).parent)},
        )
        for stub in (Path(made) / proto).parent.iterdir():
            yield stub.name, stub.read_text("utf-8")


def write_stub(path: Path, text: str) -> None:
    """Write a stub, and the folder that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def orca_stubs(root: Path) -> None:
    """Write the Python messages of load reports to service/tokenwire/xds."""
    out = root / "service"
    out.mkdir(parents=True, exist_ok=True)
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT / 'proto'}"]
    subprocess.run(
        [*protoc, f"--python_out={out}", f"--mypy_out={out}", *ORCA],
        check=True,
        env={"PATH": str(Path(sys.executable).parent)},
    )


def versions(root: Path) -> None:
    """Write the project's version into the distributions that are released with it."""
    for version in VERSIONS:
        (root / version).parent.mkdir(parents=True, exist_ok=True)
        (root / version).write_text(f'__version__ = "{__version__}"\n', "utf-8")
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    pinned = re.sub(r'("tokenwire-(?:client|demo)==)[^"]*', rf"\g<1>{__version__}", project)
    # A newer file with the same text would have Make set the environment up again.
    if root != ROOT or pinned != project:
        (root / "pyproject.toml").write_text(pinned, "utf-8")


def demo_upstream(root: Path) -> None:
    """Write the tables of steps and scenarios in docs/demo-upstream.md."""
    tables = {"steps": step_tables(), "scenarios": scenario_table()}
    fill(root, "docs/demo-upstream.md", tables)


def dockerfile(root: Path) -> None:
    """Write the versions into the Dockerfile: the project's, and the health probe's."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    probe = GO_TOOLS["grpc-health-probe"].partition("@")[2]
    text = re.sub(r"(?<=^ARG GRPC_HEALTH_PROBE=).*$", probe, text, flags=re.MULTILINE)
    text = re.sub(r'(?<=image\.version=").*(?="$)', __version__, text, flags=re.MULTILINE)
    (root / "Dockerfile").write_text(text, "utf-8")


def simulator_manifest(root: Path) -> None:
    """Write the project's version into examples/kubernetes/simulator.yaml."""
    text = (ROOT / SIMULATOR).read_text("utf-8")
    text = re.sub(r"(?<=image: tokenwire:).*(?=-demo$)", __version__, text, flags=re.MULTILINE)
    (root / SIMULATOR).parent.mkdir(parents=True, exist_ok=True)
    (root / SIMULATOR).write_text(text, "utf-8")


def fill(root: Path, document: str, parts: dict[str, str]) -> None:
    """Replace the text between `<!-- NAME -->` and `<!-- /NAME -->` in a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for name, part in parts.items():
        before, opening, rest = text.partition(f"<!-- {name} -->\n")
        _, closing, after = rest.partition(f"\n<!-- /{name} -->")
        if not opening or not closing:
            raise ValueError(f"{document} has no place marked <!-- {name} --> ... <!-- /{name} -->")
        text = before + opening + part + closing + after
    (root / document).parent.mkdir(parents=True, exist_ok=True)
    (root / document).write_text(text, encoding="utf-8")


GENERATORS: tuple[Callable[[Path], None], ...] = (
    stubs,
    orca_stubs,
    other_stubs,
    versions,
    demo_upstream,
    settings_table,
    gateway_schema,
    errors_doc,
    metrics_doc,
    dashboards,
    chart,
    dockerfile,
    simulator_manifest,
)


def main() -> None:
    """Write every generated file into the work tree."""
    for generate in GENERATORS:
        generate(ROOT)


if __name__ == "__main__":
    main()
