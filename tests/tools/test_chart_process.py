"""What the chart makes runs: its commands and settings, with the real program."""

import sys
from pathlib import Path
from typing import Any

import pytest

from helm import CI, CI_NAMES, ci, of_kind, pod_specs, rendering
from process import ServerProcess, run_tokenwire
from programs import ROOT, run
from tokenwire.client import Client
from tokenwire.demo import DemoUpstream

pytestmark = pytest.mark.tools

ANSWER = "This is tokenwire's built-in demo model"


def server_of(values: Path) -> dict[str, Any]:
    """Return the server's container."""
    [pod] = [pod for name, pod in pod_specs(rendering(values)).items() if "Deployment" in name]
    found: dict[str, Any] = pod["containers"][0]
    return found


def environment_of(values: Path, secrets: Path, upstream: DemoUpstream) -> dict[str, str]:
    """Return what the container's environment would be, with addresses of this machine."""
    text = rendering(values)
    container = server_of(values)
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of_kind(text, "ConfigMap")}
    env: dict[str, str] = {}
    for source in container["envFrom"]:
        env |= maps[source["configMapRef"]["name"]]
    env |= {each["name"]: each.get("value", "anything") for each in container["env"]}
    env |= {"TOKENWIRE_LISTEN": "127.0.0.1:0", "TOKENWIRE_METRICS_LISTEN": "127.0.0.1:0"}
    if "TOKENWIRE_SECRETS_DIR" in env:
        assert env["TOKENWIRE_SECRETS_DIR"] in [
            mount["mountPath"] for mount in container["volumeMounts"]
        ]
        (secrets / "OPENAI_API_KEY").write_text("a-key\n")
        env["TOKENWIRE_SECRETS_DIR"] = str(secrets)
    # No model of the outside world, and no collector, is within a test's reach.
    env["OPENAI_BASE_URL"] = upstream.base_url
    env.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
    return env


@pytest.mark.parametrize("values", CI, ids=CI_NAMES)
async def test_the_rendered_container_serves(
    values: Path, tmp_path: Path, upstream: DemoUpstream
) -> None:
    """The container's command and environment start a server that answers and knows all of it."""
    program, command, *arguments = server_of(values)["command"]
    assert (program, command) == ("tokenwire", "serve")
    env = environment_of(values, tmp_path, upstream)
    async with ServerProcess(*arguments, env=env) as server, Client(server.address) as client:
        text = "".join([answer.content async for answer in client.send("hello")])
    assert text.startswith(ANSWER)
    assert not [line for line in server.log_lines if "is not a setting" in line]


async def test_helm_test_gets_its_answer() -> None:
    """The two commands of the `helm test` pod succeed against a server."""
    [pod] = of_kind(rendering(ci("demo")), "Pod")
    async with ServerProcess("--demo") as server:
        for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]):
            program, *arguments = container["command"]
            assert program == "tokenwire"
            assert "--address=dns:///llm-tokenwire.models.svc:50051" in arguments
            there = [
                f"--address={server.address}" if each.startswith("--address=") else each
                for each in arguments
            ]
            done = await run_tokenwire(*there)
            assert done.code == 0, done.stderr


async def test_the_exec_probes_are_content() -> None:
    """The commands of the exec probes find a server healthy."""
    container = server_of(ci("everything"))
    async with ServerProcess("--demo") as server:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            program, *arguments = container[probe]["exec"]["command"]
            assert program == "grpc_health_probe"
            there = [each.replace("localhost:8443", server.address) for each in arguments]
            assert there != arguments
            done = await run(ROOT / ".tools" / "bin" / "grpc-health-probe", *there)
            assert done.code == 0, done.stderr


def test_the_program_is_what_the_image_installs() -> None:
    """`tokenwire`, which the chart's commands name, is a command of the installed package."""
    assert (Path(sys.executable).parent / "tokenwire").exists()
