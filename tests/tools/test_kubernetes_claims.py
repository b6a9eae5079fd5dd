"""What docs/kubernetes.md and its page on troubleshooting say of the chart and of the simulator."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from support import kubernetes_doc as doc
from support import troubleshooting_doc as troubleshooting
from support.helm import CHART, ci, objects, of_kind, pod_specs, rendering
from support.pod_security import violations
from support.programs import ROOT, run, started
from tokenwire import __version__

pytestmark = pytest.mark.tools


async def test_the_simulator_is_the_upstream_of_the_page() -> None:
    """The manifest runs the simulator at the page's address, by the restricted profile.

    Its arguments are those of the command.
    """
    [command] = doc.SIMULATORS
    *_, namespace, option, file = doc.words(command)
    assert f"kubectl create namespace {namespace}" in doc.NAMESPACES
    assert option == "--filename"
    text = (ROOT / file).read_text("utf-8")
    [pod] = pod_specs(text).values()
    assert violations(pod) == []
    [container] = pod["containers"]
    assert container["image"] == f"tokenwire:{__version__}-demo"
    [service] = of_kind(text, "Service")
    [deployment] = of_kind(text, "Deployment")
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    [port] = service["spec"]["ports"]
    [opened] = container["ports"]
    assert port["targetPort"] == opened["name"]
    address = f"{service['metadata']['name']}.{namespace}.svc:{port['port']}"
    assert doc.TEXT.count(f"http://{address}/v1") > 1
    *words, listen = container["args"]
    assert listen == f"0.0.0.0:{opened['containerPort']}"
    program = Path(sys.executable).parent / "tokenwire"
    async with started(program, *words, "127.0.0.1:0") as process:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        path = container["readinessProbe"]["httpGet"]["path"]
        url = line.split()[-1].removesuffix("/v1") + path
        done = await run("curl", "--fail", url)
    assert done.code == 0, done.stderr


def test_the_version_is_that_of_the_chart() -> None:
    """The page says which version VERSION stands for."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert f"`{chart['appVersion']}`" in doc.TEXT


def test_what_production_needs_is_named() -> None:
    """The page names the definitions, the class and the metric that the production values use."""
    text = rendering(ci("production"))
    section = doc.TEXT.partition("## Production checklist")[2].partition("\n## ")[0]
    definitions = {
        each["kind"] for each in objects(text) if "monitoring.coreos.com" in each["apiVersion"]
    }
    assert definitions == {"PodMonitor", "PrometheusRule"}
    [scaler] = of_kind(text, "HorizontalPodAutoscaler")
    [metric] = scaler["spec"]["metrics"]
    [deployment] = of_kind(text, "Deployment")
    priority = deployment["spec"]["template"]["spec"]["priorityClassName"]
    for name in (*definitions, metric["pods"]["metric"]["name"], priority):
        assert re.search(rf"\b{name}\b", section), name


def test_one_replica_has_no_budget() -> None:
    """A release with one replica has no PodDisruptionBudget; one with two has it."""
    assert of_kind(doc.rendered(doc.DEMO), "PodDisruptionBudget")
    assert not of_kind(doc.rendered(f"{doc.DEMO} --set replicas=1"), "PodDisruptionBudget")


@pytest.mark.parametrize(
    ("volume", "values"),
    [
        ("upstream-key", "apiKey.existingSecret.name=openai"),
        ("tls", "demo.enabled=true,tls.enabled=true,tls.existingSecret=tokenwire-tls"),
        ("gateway-secret-0", "gatewayFile.existingConfigMap.name=own,gatewayFile.secrets={openai}"),
    ],
)
def test_the_volumes_of_secrets_are_named(volume: str, values: str) -> None:
    """The volumes that the section "A Secret is missing" names are those of the chart."""
    text = doc.rendered(f"helm install tokenwire deploy/helm/tokenwire --set {values}")
    pod = pod_specs(text)["Deployment/tokenwire"]
    mounted = {each["name"] for each in pod["volumes"] if each.keys() & {"secret", "projected"}}
    assert volume in mounted
    section = troubleshooting.SECTIONS["A Secret is missing"]
    assert re.search(rf'[`"]{volume}[`"]', section)
