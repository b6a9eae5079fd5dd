"""The commands of docs/kubernetes.md, by program."""

import functools
import shlex
from typing import Final

from support.fenced import fenced
from support.helm import helm
from support.programs import ROOT

RELEASE: Final = "tokenwire"
NAMESPACE: Final = "llm"
DEMO: Final = "helm install tokenwire deploy/helm/tokenwire --set demo.enabled=true"

TEXT: Final = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
COMMANDS: Final = [command for block in fenced(TEXT, "sh") for command in block.splitlines()]


VALUES: Final = dict(
    zip(
        ("models.yaml", "limits.yaml"),
        (block for block in fenced(TEXT, "yaml") if block.startswith("gatewayFile:")),
        strict=True,
    )
)
"""The values files that the page shows, by name."""


def commands(*beginnings: str) -> list[str]:
    """Return the commands that begin with one of these words."""
    return [command for command in COMMANDS if command.startswith(beginnings)]


INSTALLS: Final = commands("helm install ", "helm upgrade ")
RELEASES: Final = commands("helm test ", "helm rollback ", "helm uninstall ")
APPLIES: Final = commands("kubectl apply -k ")
SIMULATORS: Final = commands("kubectl apply --namespace models ")
NAMESPACES: Final = commands("kubectl create namespace ")
STORE_SECRETS: Final = commands("kubectl create secret generic redis ")
SECRETS: Final = [
    command
    for command in commands("kubectl create secret generic ")
    if command not in STORE_SECRETS
]
TLS_SECRETS: Final = commands("kubectl create secret tls ")
PODS: Final = commands("kubectl get pods ")
OBJECTS: Final = [
    command
    for command in commands("kubectl rollout ", "kubectl get ", "kubectl port-forward ")
    if command not in PODS
]
LEFT_PODS: Final = commands("kubectl delete pod ")
NODES: Final = commands("kubectl drain ")
FREED_NODES: Final = commands("kubectl uncordon ")
TLS_CLIENTS: Final = [command for command in commands("tokenwire ") if " --ca " in command]
CLIENTS: Final = [each for each in commands("tokenwire ", "curl ") if each not in TLS_CLIENTS]
KINDS: Final = (
    *(INSTALLS, RELEASES, APPLIES, SIMULATORS, NAMESPACES, SECRETS, STORE_SECRETS, TLS_SECRETS),
    *(OBJECTS, PODS, LEFT_PODS, NODES, FREED_NODES, CLIENTS, TLS_CLIENTS),
)


def words(command: str) -> list[str]:
    """Return the words of a command."""
    return shlex.split(command)


def rendering_options(command: str) -> list[str]:
    """Return the options of an installation that affect what is rendered.

    `--reset-then-reuse-values` stands for the values of the previous installation: here the demo's.
    """
    options = words(command)[words(command).index("deploy/helm/tokenwire") + 1 :]
    kept = [
        each for each in options if each not in {"--create-namespace", "--reset-then-reuse-values"}
    ]
    return [
        *(["--set", "demo.enabled=true"] if "--reset-then-reuse-values" in options else []),
        *kept,
    ]


@functools.cache
def rendered(command: str) -> str:
    """Return the manifests that an installation command would send to the cluster."""
    options = rendering_options(command)
    shown = next((text for name, text in VALUES.items() if name in options), "")
    options = ["-" if each in VALUES else each for each in options]
    done = helm("template", RELEASE, "deploy/helm/tokenwire", *options, stdin=shown)
    assert done.returncode == 0, done.stderr
    return done.stdout
