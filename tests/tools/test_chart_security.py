"""Every pod of the chart complies with the restricted Pod Security profile, and more."""

import copy
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.helm import CI, CI_NAMES, ci, objects, pod_specs, rendering
from support.pod_security import violations
from tool import BIN, TOOLS

pytestmark = pytest.mark.tools

CHECKOV = TOOLS / "kubernetes" / "bin" / "checkov"
SERVER = "Deployment.models.llm-tokenwire"
HELM_TEST = "Pod.models.llm-tokenwire-test"
EXEMPTIONS = {
    ("CKV_K8S_11", SERVER): "a CPU limit throttles, and throttling holds tokens back",
    ("CKV_K8S_11", HELM_TEST): "the same",
    ("CKV_K8S_8", HELM_TEST): "it asks once and ends; nobody restarts it",
    ("CKV_K8S_9", HELM_TEST): "it serves nobody",
    ("CKV2_K8S_6", HELM_TEST): "it lives for seconds and listens on nothing",
}


@pytest.mark.parametrize("values", CI, ids=CI_NAMES)
def test_every_pod_is_restricted(values: Path) -> None:
    """No field of a pod, including the pod of `helm test`, violates the restricted profile."""
    pods = pod_specs(rendering(values))
    assert pods
    assert {name: violations(pod) for name, pod in pods.items() if violations(pod)} == {}


@pytest.mark.parametrize("values", CI, ids=CI_NAMES)
def test_every_container_is_tighter_still(values: Path) -> None:
    """Each container has no token, a read-only root, a numeric user and a memory limit."""
    for pod in pod_specs(rendering(values)).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsUser"] >= 10_000
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["resources"]["limits"]["memory"]


def container(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod["containers"][0]
    return found


BREAKS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "host network": (lambda pod: pod.update(hostNetwork=True), "hostNetwork"),
    "host path": (
        lambda pod: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
        "volumes: host",
    ),
    "sysctl": (
        lambda pod: pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax"}]),
        "securityContext.sysctls: kernel.msgmax",
    ),
    "windows": (
        lambda pod: pod["securityContext"].update(windowsOptions={"hostProcess": True}),
        "securityContext.windowsOptions.hostProcess",
    ),
    "root": (lambda pod: pod["securityContext"].update(runAsUser=0), "tokenwire: runAsUser"),
    "maybe root": (
        lambda pod: pod["securityContext"].pop("runAsNonRoot"),
        "tokenwire: runAsNonRoot",
    ),
    "seccomp": (
        lambda pod: pod["securityContext"].pop("seccompProfile"),
        "tokenwire: seccompProfile",
    ),
    "apparmor": (
        lambda pod: pod["securityContext"].update(appArmorProfile={"type": "Unconfined"}),
        "tokenwire: appArmorProfile",
    ),
    "selinux": (
        lambda pod: pod["securityContext"].update(seLinuxOptions={"role": "r"}),
        "tokenwire: seLinuxOptions.role",
    ),
    "escalation": (
        lambda pod: container(pod)["securityContext"].pop("allowPrivilegeEscalation"),
        "tokenwire: allowPrivilegeEscalation",
    ),
    "privileged": (
        lambda pod: container(pod)["securityContext"].update(privileged=True),
        "tokenwire: privileged",
    ),
    "capabilities": (
        lambda pod: container(pod)["securityContext"].pop("capabilities"),
        "tokenwire: capabilities.drop",
    ),
    "more capabilities": (
        lambda pod: container(pod)["securityContext"]["capabilities"].update(add=["SYS_TIME"]),
        "tokenwire: capabilities.add",
    ),
    "proc": (
        lambda pod: container(pod)["securityContext"].update(procMount="Unmasked"),
        "tokenwire: procMount",
    ),
    "host port": (
        lambda pod: container(pod)["ports"][0].update(hostPort=80),
        "tokenwire: hostPort",
    ),
    "probe of a host": (
        lambda pod: container(pod).update(livenessProbe={"tcpSocket": {"host": "a", "port": 1}}),
        "tokenwire: livenessProbe host",
    ),
    "hook to a host": (
        lambda pod: container(pod).update(lifecycle={"preStop": {"httpGet": {"host": "a"}}}),
        "tokenwire: lifecycle host",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_pod_beyond_the_profile_is_noticed(name: str) -> None:
    """Each field of the profile is checked: a pod that violates it is reported."""
    pod = copy.deepcopy(pod_specs(rendering(ci("production")))["Deployment/llm-tokenwire"])
    loosen, expected = BREAKS[name]
    loosen(pod)
    assert violations(pod) == [expected]


def checkov(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Check manifests with the rules of checkov, without network access."""
    nowhere = "http://127.0.0.1:9"
    return subprocess.run(
        [
            *(CHECKOV, "--directory", folder, "--framework", "kubernetes"),
            *("--compact", "--quiet", "--skip-download", *options),
        ],
        env={"PATH": "/usr/bin:/bin", "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.timeout(120)
def test_checkov_finds_only_what_is_exempted(tmp_path: Path) -> None:
    """For the production manifests, checkov reports exactly the exemptions."""
    (tmp_path / "production.yaml").write_text(rendering(ci("production")))
    done = checkov(tmp_path)
    found = re.findall(
        r"^Check: (\w+): .*\n\tFAILED for resource: (\S+)", done.stdout, re.MULTILINE
    )
    assert sorted(found) == sorted(EXEMPTIONS), done.stdout + done.stderr


@pytest.mark.timeout(120)
def test_checkov_notices_a_broken_manifest(tmp_path: Path) -> None:
    """A container with a writable root file system and a mounted token is reported."""
    text = rendering(ci("production"))
    broken = text.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
    broken = broken.replace("automountServiceAccountToken: false", "")
    (tmp_path / "broken.yaml").write_text(broken)
    done = checkov(tmp_path, "--skip-check", ",".join({check for check, _ in EXEMPTIONS}))
    assert done.returncode == 1
    assert "CKV_K8S_22" in done.stdout
    assert "CKV_K8S_38" in done.stdout


def test_promtool_reads_the_rules_of_the_rendering(tmp_path: Path) -> None:
    """The rules in the rendered PrometheusRules are valid for promtool."""
    promtool = shutil.which("promtool", path=str(BIN))
    assert promtool, "run `make tools`"
    rules = [
        each for each in objects(rendering(ci("production"))) if each["kind"] == "PrometheusRule"
    ]
    assert rules
    for rule in rules:
        path = tmp_path / f"{rule['metadata']['name']}.yml"
        path.write_text(yaml.safe_dump(rule["spec"]))
        done = subprocess.run(
            [promtool, "check", "rules", path],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
