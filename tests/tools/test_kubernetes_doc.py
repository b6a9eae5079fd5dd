"""Each command of docs/kubernetes.md is run, or checked against the rendered chart."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import kubernetes_doc as doc
from support.app import StartApp
from support.certificates import Mount, Pair
from support.helm import CHART, helm, objects, of_kind, pod_specs
from support.programs import ROOT, run
from tokenwire.app import App
from tokenwire.config.gateway.limits import is_store_url
from tool import BIN

pytestmark = pytest.mark.tools


def test_every_command_is_of_a_kind_that_is_tested() -> None:
    """Each command of the page is of exactly one of the tested kinds."""
    assert sorted(command for kind in doc.KINDS for command in kind) == sorted(doc.COMMANDS)
    assert all(doc.KINDS)


@pytest.mark.parametrize("command", doc.INSTALLS)
def test_every_installation_renders(command: str) -> None:
    """Each installation has the release's name and namespace, and renders a Deployment."""
    assert doc.RELEASE in doc.words(command)
    assert f"--namespace {doc.NAMESPACE}" in command
    assert "Deployment/tokenwire" in pod_specs(doc.rendered(command))


def test_installations_do_what_the_page_says() -> None:
    """The options of each installation change the rendered manifests."""
    plain = doc.rendered(doc.DEMO)
    for command in doc.INSTALLS[1:]:
        assert doc.rendered(command) != plain, command


@pytest.mark.parametrize("command", doc.RELEASES)
def test_commands_on_the_release_are_ones_that_helm_has(command: str) -> None:
    """Helm has the command and its options, and the release is the installed one."""
    _, subcommand, release, *options = doc.words(command)
    known = helm(subcommand, "--help").stdout
    assert f"helm {subcommand}" in known
    assert release == doc.RELEASE
    assert all(option in known for option in options if option.startswith("--"))
    if subcommand == "test":
        assert "helm.sh/hook: test" in doc.rendered(doc.DEMO)


@pytest.mark.parametrize("command", doc.OBJECTS)
def test_commands_on_objects_name_ones_that_are_made(command: str) -> None:
    """The object exists with this name, in this namespace, and has the port."""
    [(kind, name)] = re.findall(r" (\w+)/(\w+)", command)
    found: list[dict[str, Any]] = [
        each
        for each in objects(doc.rendered(doc.DEMO))
        if each["kind"].lower() == kind and each["metadata"]["name"] == name
    ]
    assert found
    assert f"--namespace {doc.NAMESPACE}" in command
    if "port-forward" in command:
        [pod] = [
            pod
            for at, pod in pod_specs(doc.rendered(doc.DEMO)).items()
            if at == "Deployment/tokenwire"
        ]
        ports = [port["containerPort"] for port in pod["containers"][0]["ports"]]
        assert int(doc.words(command)[3]) in ports


@pytest.mark.parametrize("command", doc.SECRETS)
def test_the_secret_is_the_one_that_is_mounted(command: str) -> None:
    """The command creates the Secret name and key that the installation with an API key mounts."""
    name = doc.words(command)[4]
    [install] = [each for each in doc.INSTALLS if f"apiKey.existingSecret.name={name} " in each]
    [(_, pod)] = [
        item for item in pod_specs(doc.rendered(install)).items() if "Deployment" in item[0]
    ]
    [secret] = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert f"secret generic {secret['secretName']} " in command
    [item] = secret["items"]
    assert f"--from-literal={item['key']}=" in command
    assert item["path"] == item["key"]


def test_the_store_is_the_entry_of_its_secret() -> None:
    """The gateway file names the entry of the Secret that the command creates, where it is mounted.

    The URL in it is that of a store.
    """
    [command] = doc.STORE_SECRETS
    *_, name, _, namespace, literal = doc.words(command)
    assert namespace == doc.NAMESPACE
    key, url = literal.removeprefix("--from-literal=").split("=", 1)
    assert is_store_url(url)
    [install] = [each for each in doc.INSTALLS if "limits.yaml" in each]
    [(_, pod)] = [
        item for item in pod_specs(doc.rendered(install)).items() if "Deployment" in item[0]
    ]
    [volume] = [each for each in pod["volumes"] if each.get("secret", {}).get("secretName") == name]
    [mount] = [
        each for each in pod["containers"][0]["volumeMounts"] if each["name"] == volume["name"]
    ]
    [text] = [
        each["data"]["gateway.yaml"]
        for each in objects(doc.rendered(install))
        if each["kind"] == "ConfigMap" and "gateway.yaml" in each["data"]
    ]
    assert yaml.safe_load(text)["limits"]["store"] == f"file:{mount['mountPath']}/{key}"


def test_the_certificate_is_the_one_that_is_served() -> None:
    """The TLS Secret is the one that the installation mounts, with the keys from kubectl."""
    [command] = doc.TLS_SECRETS
    [install] = [each for each in doc.INSTALLS if "tls.existingSecret" in each]
    [(_, pod)] = [
        item for item in pod_specs(doc.rendered(install)).items() if "Deployment" in item[0]
    ]
    [volume] = [each["projected"] for each in pod["volumes"] if "projected" in each]
    [source] = volume["sources"]
    assert f"secret tls {source['secret']['name']} --namespace {doc.NAMESPACE} " in command
    assert [item["key"] for item in source["secret"]["items"]] == ["tls.crt", "tls.key"]


@pytest.mark.parametrize("command", doc.TLS_CLIENTS)
async def test_every_client_command_over_tls_works(
    command: str, start_app: StartApp, tmp_path: Path
) -> None:
    """Each command for TLS is answered by a server with the Service's certificate."""
    pair = Pair(name="tokenwire.llm.svc")
    app = await start_app(
        **Mount(tmp_path).put(pair, pair.authority).settings | {"tls_client_ca_file": None}
    )
    program, *arguments = doc.words(command.replace("localhost:50051", app.address))
    done = await run(Path(sys.executable).parent / program, *arguments, cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert "built-in demo model" in done.stdout


@pytest.mark.parametrize("command", doc.APPLIES)
def test_the_plain_manifests_build(command: str) -> None:
    """Kustomize builds the directory, which contains a Deployment."""
    folder = ROOT / doc.words(command)[3]
    built = subprocess.run(
        [BIN / "kustomize", "build", folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Deployment/tokenwire" in pod_specs(built.stdout)
    assert f"kubectl create namespace {doc.NAMESPACE}" in doc.NAMESPACES
    assert f"--namespace {doc.NAMESPACE}" in command


@pytest.mark.parametrize("command", doc.NODES)
def test_draining_a_node_needs_its_options(command: str) -> None:
    """The pods have an emptyDir, so that draining a node needs the option for it."""
    [pod] = [pod for name, pod in pod_specs(doc.rendered(doc.DEMO)).items() if "Deployment" in name]
    assert any("emptyDir" in volume for volume in pod["volumes"])
    assert "--delete-emptydir-data" in command


def test_a_drained_node_is_freed() -> None:
    """The node that is drained gets pods again."""
    [drained], [freed] = doc.NODES, doc.FREED_NODES
    assert doc.words(freed) == ["kubectl", "uncordon", doc.words(drained)[2]]


@pytest.mark.parametrize("command", doc.PODS)
def test_the_listed_pods_are_those_of_the_release(command: str) -> None:
    """The selector is a label of the pods."""
    key, value = doc.words(command)[-1].split("=")
    [deployment] = of_kind(doc.rendered(doc.DEMO), "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"][key] == value
    assert f"--namespace {doc.NAMESPACE} --selector" in command


def test_the_pod_that_an_uninstallation_leaves_is_deleted() -> None:
    """The pod that is deleted is that of `helm test`, which Helm keeps until the next one."""
    [command] = doc.LEFT_PODS
    [pod] = of_kind(doc.rendered(doc.DEMO), "Pod")
    assert doc.words(command)[3] == pod["metadata"]["name"]
    assert f"--namespace {doc.NAMESPACE}" in command
    policy = pod["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    assert policy == "before-hook-creation"


@pytest.mark.parametrize("command", doc.CLIENTS)
async def test_every_client_command_works(command: str, app: App) -> None:
    """Each command that calls a server gets an answer."""
    there = command.replace("localhost:50051", app.address)
    there = there.replace("localhost:9464", app.metrics_address)
    program, *arguments = doc.words(there)
    path = Path(sys.executable).parent / program if program == "tokenwire" else program
    done = await run(path, *arguments)
    assert done.code == 0, done.stderr
    assert re.search(r"built-in demo model|^# HELP ", done.stdout)


def test_every_value_that_the_page_names_is_one() -> None:
    """Every chart value that the page names is in the chart's README."""
    readme = (CHART / "README.md").read_text("utf-8")
    named = re.findall(
        r"`((?:apiKey|autoscaling|certificate|grpcRoute|helmTest|image|monitoring|networkPolicy|redis(?=\.)|service|tls|topologySpread)[.\w]*)",
        doc.TEXT,
    )
    assert named
    assert [name for name in named if f"| {name}" not in readme] == []
