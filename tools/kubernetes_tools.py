"""The tools that check the Helm chart: programs, and schemas of the objects that it renders.

To move to other versions: change the pins here; change
tools/kubernetes/requirements.in and run `make lock`.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tool import BIN, ROOT, TOOLS, Tool, digest, environment, go_install, run

LOCK = ROOT / "tools" / "kubernetes" / "requirements.lock"
ENVIRONMENT = TOOLS / "kubernetes"
CRDS = TOOLS / "crds"

# As in Helm's own releases; without these flags, Helm assumes Kubernetes 1.20.
HELM_LDFLAGS = " ".join(
    f"-X helm.sh/helm/v3/pkg/{package}.k8sVersionMinor=34"
    for package in ("chartutil", "lint/rules")
)
# Name of the program -> package and version, and flags, for `go install`.
PROGRAMS = {
    "helm": ("helm.sh/helm/v3/cmd/helm@v3.22.0", "-ldflags", HELM_LDFLAGS),
    "kubeconform": ("github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",),
    "helm-docs": ("github.com/norwoodj/helm-docs/cmd/helm-docs@v1.14.2",),
    "kustomize": ("sigs.k8s.io/kustomize/kustomize/v5@v5.8.2",),
}
HELM_UNITTEST = "github.com/helm-unittest/helm-unittest@v1.1.2"

OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
OPERATOR_CRDS = "example/prometheus-operator-crd/monitoring.coreos.com"
# Kind -> Go module and version with its definition, and the path in the module.
DEFINITIONS = {
    "podmonitor": (OPERATOR, f"{OPERATOR_CRDS}_podmonitors.yaml"),
    "servicemonitor": (OPERATOR, f"{OPERATOR_CRDS}_servicemonitors.yaml"),
    "prometheusrule": (OPERATOR, f"{OPERATOR_CRDS}_prometheusrules.yaml"),
    "scaledobject": (
        "github.com/kedacore/keda/v2@v2.21.0",
        "config/crd/bases/keda.sh_scaledobjects.yaml",
    ),
    "grpcroute": (
        "sigs.k8s.io/gateway-api@v1.6.0",
        "config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml",
    ),
    "backendtlspolicy": (
        "sigs.k8s.io/gateway-api@v1.6.0",
        "config/crd/standard/gateway.networking.k8s.io_backendtlspolicies.yaml",
    ),
    "certificate": (
        "github.com/cert-manager/cert-manager@v1.21.2",
        "deploy/crds/cert-manager.io_certificates.yaml",
    ),
    "externalsecret": (
        "github.com/external-secrets/external-secrets@v1.3.2",
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
    "inferencepool": (
        "sigs.k8s.io/gateway-api-inference-extension@v1.5.0",
        "config/crd/bases/inference.networking.k8s.io_inferencepools.yaml",
    ),
}


def kubernetes_tools() -> Iterator[Tool]:
    """Yield the tools that the chart's tests need."""
    for name, (package, *flags) in PROGRAMS.items():
        pin = " ".join((package, *flags))
        yield Tool(name, pin, BIN / name, partial(go_install, package, *flags))
    yield Tool("helm-unittest", HELM_UNITTEST, BIN / "helm-unittest", helm_unittest)
    for kind, (module, path) in DEFINITIONS.items():
        take = partial(definition, kind, module, path)
        yield Tool(f"crd-{kind}", f"{module} {path}", CRDS / f"{kind}.yaml", take)
    pin = digest(LOCK, sys.version, str(ROOT))
    yield Tool("checkov", pin, ENVIRONMENT / "bin" / "checkov", checkov)


def helm_unittest() -> None:
    """Build helm-unittest in its module; `go install` rejects the replace directives in go.mod."""
    run("go", "build", "-C", module_folder(HELM_UNITTEST), "-o", BIN, "./cmd/helm-unittest")


def definition(kind: str, module: str, path: str) -> None:
    """Copy a CustomResourceDefinition from the Go module that contains it."""
    CRDS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(module_folder(module) / path, CRDS / f"{kind}.yaml")


def module_folder(module: str) -> Path:
    """Download a Go module and return its directory."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", module],
        cwd=TOOLS.parent,
        stdout=subprocess.PIPE,
        check=False,
    )
    found = json.loads(done.stdout or "{}")
    if "Dir" not in found:
        sys.exit(f"make tools: cannot download the Go module {module}: {found.get('Error')}")
    return Path(found["Dir"])


def checkov() -> None:
    """Install checkov and Kubernetes' schemas."""
    environment(ENVIRONMENT, LOCK)
