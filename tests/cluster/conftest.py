"""The namespaces of tests on a cluster, and what is kept of a test that fails.

Each test file here has the marker `cluster`. `namespace` is a fresh namespace for one test,
`kept_namespace` one for all tests of a file; both enforce the restricted Pod Security profile.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from support.kube import RESTRICTED, Namespace, command, kubectl
from support.no_skip import (  # noqa: F401 - pytest finds these hooks by name
    pytest_make_collect_report,
    pytest_runtest_makereport,
)
from support.programs import ROOT
from tool import TOOLS

LOGS: Final = ROOT / "build" / "cluster-logs"


def object_name(name: str) -> str:
    """Return the name of a test or file as the name of an object of Kubernetes."""
    words = re.sub(r"[^a-z0-9]+", "-", name.removesuffix(".py").lower())
    return words.removeprefix("test-")[:50].strip("-")


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A fresh namespace."""
    created = Namespace(object_name(request.node.name))
    created.create(RESTRICTED)
    yield created
    created.delete()


@pytest.fixture(scope="module")
def kept_namespace(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A namespace for all tests of a file."""
    created = Namespace(object_name(request.node.name))
    created.create(RESTRICTED)
    yield created
    created.delete()


@pytest.fixture(scope="session")
def definitions() -> Iterator[None]:
    """The custom resources of the operators that the chart supports."""
    folder = TOOLS / "crds"
    kubectl("apply", "--server-side", "--filename", folder)
    kubectl("wait", "--for=condition=Established", "--timeout=60s", "--filename", folder)
    yield
    kubectl("delete", "--wait=false", "--filename", folder)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what tells why a test has failed."""
    if report.failed:
        folder = LOGS / f"{object_name(report.nodeid.rpartition('::')[2])}-{report.when}"
        keep(folder)
        report.sections.append(("logs of the cluster", str(folder)))


def keep(folder: Path) -> None:
    """Write the pods, their events and their logs of all namespaces into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    everywhere = ("--all-namespaces", "--output", "wide")
    for name, words in {
        "pods": ("get", "pods", *everywhere),
        "events": ("get", "events", *everywhere, "--sort-by=.lastTimestamp"),
        "described": ("describe", "nodes,pods", "--all-namespaces"),
    }.items():
        done = command("kubectl", *words, check=False)
        (folder / f"{name}.txt").write_text(done.stdout + done.stderr, "utf-8")
    found = command(
        *("kubectl", "get", "pods", "--all-namespaces"),
        *(
            "--output",
            'jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}',
        ),
        check=False,
    )
    for line in found.stdout.splitlines():
        space, pod = line.split()
        for part, words in {"": (), "-previous": ("--previous",)}.items():
            log = ("logs", pod, "--namespace", space, "--all-containers", "--prefix", *words)
            done = command("kubectl", *log, check=False)
            if done.stdout:
                (folder / f"{space}-{pod}{part}.log").write_text(done.stdout, "utf-8")
