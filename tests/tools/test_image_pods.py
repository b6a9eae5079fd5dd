"""The chart's pods run in the image, with their settings, mounted secrets and exec probes."""

from pathlib import Path

import pytest

from support.containers import Container, chart_options
from support.helm import ci
from support.pods import Pod
from tokenwire_demo import DemoUpstream

# The first test includes the build.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(1500), pytest.mark.usefixtures("image")]

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory that the image's user can read, like a Kubernetes volume."""
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("name", ["everything", "tls", "mtls"])
async def test_the_pod_answers_and_its_probes_are_content(
    name: str, files: Path, upstream: DemoUpstream
) -> None:
    """With the chart's settings and files, the container streams and its probe commands succeed."""
    pod = Pod(ci(name), "Deployment", files)
    env = pod.environment() | {"OPENAI_BASE_URL": upstream.base_url}
    env.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
    settings = [f"--env={variable}={value}" for variable, value in env.items()]
    mount = f"--volume={files}:{files}:ro"
    command = tuple(pod.server["command"][1:])
    options = (*chart_options(), "--network=host", mount, *settings)
    async with Container(*options, command=command) as server, pod.caller(server.address) as client:
        assert [answer async for answer in client.send("hello")]
        here = f"localhost:{pod.server['ports'][0]['containerPort']}"
        for probe in PROBES:
            words = pod.command(pod.server, pod.server[probe]["exec"]["command"])
            there = [word.replace(here, server.address) for word in words]
            assert there != words
            done = await server.exec(*there)
            assert done.code == 0, done.stderr
