"""The rendered objects are valid for Kubernetes and for the definitions of the operators."""

import subprocess
from pathlib import Path

import pytest

from support import kubernetes_schemas
from support.helm import CI, CI_NAMES, ci, objects, rendering
from support.programs import ROOT
from tool import BIN

pytestmark = pytest.mark.tools

CUSTOM = {
    "BackendTLSPolicy",
    "Certificate",
    "ExternalSecret",
    "GRPCRoute",
    "InferencePool",
    "PodMonitor",
    "PrometheusRule",
    "ScaledObject",
    "ServiceMonitor",
}


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The locations of the schemas of Kubernetes and of the custom resources."""
    own = kubernetes_schemas.of_kubernetes(tmp_path_factory.mktemp("kubernetes"))
    return own, kubernetes_schemas.of_definitions(tmp_path_factory.mktemp("definitions"))


def kubeconform(
    text: str, schemas: tuple[str, str], version: str = kubernetes_schemas.VERSIONS[-1]
) -> subprocess.CompletedProcess[str]:
    """Validate objects against the schemas of one Kubernetes version."""
    return subprocess.run(
        [
            *(BIN / "kubeconform", "-strict", "-summary", "-kubernetes-version", version),
            *(part for place in schemas for part in ("-schema-location", place)),
        ],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("version", kubernetes_schemas.VERSIONS)
@pytest.mark.parametrize("values", CI, ids=CI_NAMES)
def test_every_object_fits_its_schema(values: Path, version: str, schemas: tuple[str, str]) -> None:
    """Each object is valid in its schema, which rejects unknown fields; none is skipped."""
    old = ("--set", "preStopSeconds=0") if version == "1.27.0" else ()  # preStop sleep needs 1.30
    text = rendering(values, "--kube-version", version, *old)
    done = kubeconform(text, schemas, version)
    assert done.returncode == 0, done.stdout
    assert f"Valid: {len(objects(text))}, Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


def test_every_kind_is_made_once_at_least() -> None:
    """The values files together render every custom resource of the chart."""
    made = {each["kind"] for values in CI for each in objects(rendering(values))}
    assert made >= CUSTOM


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("terminationGracePeriodSeconds: 90", "terminationGracePeriodSecond: 90"),
        ("secretStoreRef:", "secretStore:"),
        ("maxReplicas: 8", "maxReplicas: many"),
        ("  endpoints:\n    - port: metrics", "  endpoints:\n    - prot: metrics"),
    ],
    ids=["Deployment", "ExternalSecret", "HorizontalPodAutoscaler", "ServiceMonitor"],
)
def test_a_broken_object_is_noticed(before: str, after: str, schemas: tuple[str, str]) -> None:
    """An object with a misspelled field or a wrong type is invalid."""
    text = rendering(ci("everything"))
    assert before in text
    done = kubeconform(text.replace(before, after), schemas)
    assert done.returncode == 1
    assert "Invalid: 1" in done.stdout


@pytest.mark.parametrize("name", ["demo", "server"])
def test_the_plain_manifests_build_and_fit(name: str, schemas: tuple[str, str]) -> None:
    """Kustomize builds each directory of deploy/k8s into valid objects."""
    folder = ROOT / "deploy" / "k8s" / name
    built = subprocess.run(
        [BIN / "kustomize", "build", folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert "Helm" not in built.stdout
    assert "helm.sh" not in built.stdout
    # The remaining file is the kustomization itself.
    assert len(objects(built.stdout)) == len(list(folder.iterdir())) - 1
    done = kubeconform(built.stdout, schemas)
    assert done.returncode == 0, done.stdout


def test_the_simulator_as_an_upstream_fits(schemas: tuple[str, str]) -> None:
    """The manifest of the simulator in examples/kubernetes has only valid objects."""
    text = (ROOT / "examples" / "kubernetes" / "simulator.yaml").read_text("utf-8")
    done = kubeconform(text, schemas)
    assert done.returncode == 0, done.stdout
    assert f"Valid: {len(objects(text))}, Invalid: 0, Errors: 0, Skipped: 0" in done.stdout
