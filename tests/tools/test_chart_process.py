"""The rendered commands and settings of the chart, run with the real program."""

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.cluster import address_of_keys, api_server, token_of
from support.helm import CI, CI_NAMES, ci
from support.issuer import KEYS, IssuerServer
from support.pods import CA, Pod
from support.process import ServerProcess, run_tokenwire
from support.programs import run
from tokenwire_client import ChatError, Client
from tokenwire_demo import DemoUpstream
from tool import BIN

pytestmark = pytest.mark.tools

GPU = "http://vllm.models.svc:8000/v1"
"""The first upstream of the gateway files."""
KEYS_OF_THE_CLUSTER = re.compile(r"https://kubernetes[.a-z]+/openid/v1/jwks")
SERVICE_ACCOUNTS = "service-accounts"
ANSWER = "This is tokenwire's built-in demo model"


def environment_of(pod: Pod, upstream: DemoUpstream) -> dict[str, str]:
    """Return the server's environment, with the model of the test and without a collector."""
    env = pod.environment() | {"OPENAI_BASE_URL": upstream.base_url}
    env.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
    if "TOKENWIRE_CONFIG" in env:
        file = Path(env["TOKENWIRE_CONFIG"])
        file.write_text(file.read_text().replace(GPU, upstream.base_url))
    return env


def with_api_server(env: dict[str, str], server: IssuerServer) -> dict[str, str]:
    """Let the gateway file name the API server of the test, and return the environment."""
    file = Path(env["TOKENWIRE_CONFIG"])
    text, found = KEYS_OF_THE_CLUSTER.subn(address_of_keys(server), file.read_text())
    assert found == 1
    file.write_text(text)
    return env


@pytest.fixture
async def cluster() -> AsyncIterator[IssuerServer]:
    """Run an API server that has the keys of the cluster's service accounts."""
    async with api_server(CA) as running:
        yield running


async def test_service_accounts_are_callers(
    tmp_path: Path, upstream: DemoUpstream, cluster: IssuerServer
) -> None:
    """The pod reads the keys with its own token, and accepts those of the namespaces alone."""
    pod = Pod(ci(SERVICE_ACCOUNTS), "Deployment", tmp_path)
    env = with_api_server(environment_of(pod, upstream), cluster)
    own = (tmp_path / "Deployment" / "cluster" / "token").read_text()
    async with ServerProcess(env=env) as server:
        for namespace, audience, reason in (
            ("models", "llm.example.com", ""),
            ("jobs", "llm.example.com", ""),
            ("other", "llm.example.com", "CREDENTIALS_INVALID"),
            ("jobs", "https://kubernetes.default.svc", "CREDENTIALS_INVALID"),
        ):
            token = token_of("app", audience, namespace)
            async with Client(server.address, key=token) as client:
                if reason:
                    with pytest.raises(ChatError) as caught:
                        await client.ask("hello")
                    assert caught.value.reason == reason
                else:
                    assert (await client.ask("hello")).content.startswith(ANSWER)
        assert cluster.requests == [KEYS]
        assert cluster.authorizations == [f"Bearer {own}"]


@pytest.mark.parametrize("values", CI, ids=CI_NAMES)
async def test_the_rendered_container_serves(
    values: Path, tmp_path: Path, upstream: DemoUpstream, cluster: IssuerServer
) -> None:
    """The rendered command and environment contain only valid settings, and the server answers."""
    pod = Pod(values, "Deployment", tmp_path)
    program, command, *arguments = pod.server["command"]
    assert (program, command) == ("tokenwire", "serve")
    env = environment_of(pod, upstream)
    if values == ci(SERVICE_ACCOUNTS):
        with_api_server(env, cluster)
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


@pytest.mark.parametrize("name", ["demo", "tls", "mtls", SERVICE_ACCOUNTS, "limits"])
async def test_helm_test_gets_its_answer(
    name: str, tmp_path: Path, upstream: DemoUpstream, cluster: IssuerServer
) -> None:
    """Both commands of the `helm test` pod succeed against a server with the same values."""
    env = environment_of(Pod(ci(name), "Deployment", tmp_path), upstream)
    if name == SERVICE_ACCOUNTS:
        with_api_server(env, cluster)
    pod = Pod(ci(name), "Pod", tmp_path)
    async with ServerProcess(env=env) as server:
        for container in (*pod.spec["initContainers"], *pod.spec["containers"]):
            program, *arguments = pod.command(container, container["command"])
            assert program == "tokenwire"
            assert "--address=dns:///llm-tokenwire.models.svc:50051" in arguments
            done = await run_tokenwire(*at(server, arguments))
            assert done.code == 0, done.stderr


async def test_helm_test_without_a_key_checks_health(
    tmp_path: Path, upstream: DemoUpstream
) -> None:
    """Where callers need a key and it has none, its pod succeeds and says which value gives one."""
    env = environment_of(Pod(ci("redis"), "Deployment", tmp_path), upstream)
    pod = Pod(ci("redis"), "Pod", tmp_path)
    [health] = pod.spec["initContainers"]
    [answer] = pod.spec["containers"]
    async with ServerProcess(env=env) as server:
        done = await run_tokenwire(*at(server, health["command"][1:]))
        assert done.code == 0, done.stderr
        program, *arguments = answer["command"]
        assert program == "python"
        said = await run(sys.executable, *arguments)
    assert (said.code, said.stderr) == (0, "")
    [line] = said.stdout.splitlines()
    assert line.startswith("No answer was requested, because callers need a key")
    assert "helmTest.callerKey.existingSecret.name" in line


def at(server: ServerProcess, arguments: list[str]) -> list[str]:
    """Return the arguments of a command, with the address of a server of this machine."""
    return [
        f"--address={server.address}" if each.startswith("--address=") else each
        for each in arguments
    ]


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
