"""The rendered commands and settings of the chart, run with the real program."""

import sys
from pathlib import Path

import pytest

from support.helm import CI, CI_NAMES, ci
from support.pods import Pod
from support.process import ServerProcess, run_tokenwire
from support.programs import run
from tokenwire_demo import DemoUpstream
from tool import BIN

pytestmark = pytest.mark.tools

GPU = "http://vllm.models.svc:8000/v1"
"""The first upstream of the gateway files."""
ANSWER = "This is tokenwire's built-in demo model"


def environment_of(pod: Pod, upstream: DemoUpstream) -> dict[str, str]:
    """Return the server's environment, with the model of the test and without a collector."""
    env = pod.environment() | {"OPENAI_BASE_URL": upstream.base_url}
    env.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
    if "TOKENWIRE_CONFIG" in env:
        file = Path(env["TOKENWIRE_CONFIG"])
        file.write_text(file.read_text().replace(GPU, upstream.base_url))
    return env


@pytest.mark.parametrize("values", CI, ids=CI_NAMES)
async def test_the_rendered_container_serves(
    values: Path, tmp_path: Path, upstream: DemoUpstream
) -> None:
    """The rendered command and environment contain only valid settings, and the server answers."""
    pod = Pod(values, "Deployment", tmp_path)
    program, command, *arguments = pod.server["command"]
    assert (program, command) == ("tokenwire", "serve")
    env = environment_of(pod, upstream)
    async with ServerProcess(*arguments, env=env) as server, pod.caller(server.address) as client:
        text = "".join([answer.content async for answer in client.send("hello")])
    assert text.startswith(ANSWER)
    assert not [line for line in server.log_lines if "is not a setting" in line]


async def test_a_mounted_gateway_file_is_valid(tmp_path: Path, upstream: DemoUpstream) -> None:
    """`tokenwire check` accepts the file as it is mounted, with its keys and authorities."""
    env = environment_of(Pod(ci("models"), "Deployment", tmp_path), upstream)
    checked = await run_tokenwire("check", env["TOKENWIRE_CONFIG"])
    assert (checked.code, checked.stderr) == (0, "")
    assert "25%     internal/mini" in checked.stdout


@pytest.mark.parametrize("name", ["demo", "tls", "mtls"])
async def test_helm_test_gets_its_answer(name: str, tmp_path: Path, upstream: DemoUpstream) -> None:
    """Both commands of the `helm test` pod succeed against a server with the same values."""
    env = environment_of(Pod(ci(name), "Deployment", tmp_path), upstream)
    pod = Pod(ci(name), "Pod", tmp_path)
    async with ServerProcess(env=env) as server:
        for container in (*pod.spec["initContainers"], *pod.spec["containers"]):
            program, *arguments = pod.command(container, container["command"])
            assert program == "tokenwire"
            assert "--address=dns:///llm-tokenwire.models.svc:50051" in arguments
            there = [
                f"--address={server.address}" if each.startswith("--address=") else each
                for each in arguments
            ]
            done = await run_tokenwire(*there)
            assert done.code == 0, done.stderr


@pytest.mark.parametrize("name", ["everything", "tls", "mtls"])
async def test_the_exec_probes_are_content(
    name: str, tmp_path: Path, upstream: DemoUpstream
) -> None:
    """The commands of the exec probes report a server with the same values as healthy."""
    pod = Pod(ci(name), "Deployment", tmp_path)
    here = f"localhost:{pod.server['ports'][0]['containerPort']}"
    async with ServerProcess(env=environment_of(pod, upstream)) as server:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            program, *arguments = pod.command(pod.server, pod.server[probe]["exec"]["command"])
            assert program == "grpc_health_probe"
            there = [each.replace(here, server.address) for each in arguments]
            assert there != arguments
            done = await run(BIN / "grpc-health-probe", *there)
            assert done.code == 0, done.stderr


def test_the_program_is_what_the_image_installs() -> None:
    """The command `tokenwire`, which the chart uses, is installed by the package."""
    assert (Path(sys.executable).parent / "tokenwire").exists()
