"""Variables meant for other programs do not change the behavior of the process."""

from pathlib import Path

import pytest

from support.app import MODEL
from support.crew import STARTED, WORKERS, by_worker, call_all, crew, read
from support.process import ServerProcess
from tokenwire.api.chatgpt.service import METHODS
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.slow

LINKS = {
    "TOKENWIRE_SERVICE_HOST": "10.0.0.1",
    "TOKENWIRE_SERVICE_PORT": "50051",
    "TOKENWIRE_SERVICE_PORT_GRPC": "50051",
    "TOKENWIRE_PORT": "tcp://10.0.0.1:50051",
    "TOKENWIRE_PORT_50051_TCP": "tcp://10.0.0.1:50051",
    "TOKENWIRE_PORT_50051_TCP_ADDR": "10.0.0.1",
    "TOKENWIRE_PORT_50051_TCP_PORT": "50051",
    "TOKENWIRE_PORT_50051_TCP_PROTO": "tcp",
    "TOKENWIRE_METRICS_PORT": "udp://[fd00::1]:9464",
    "TOKENWIRE_METRICS_SERVICE_HOST": "fd00::1",
}
"""The variables that Kubernetes sets in a pod next to Services tokenwire and tokenwire-metrics."""


def files_of(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.parametrize("name", ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
async def test_another_programs_folder_of_metrics_is_left_alone(
    upstream: DemoUpstream, tmp_path: Path, name: str
) -> None:
    """Two consecutive servers each count from 0, in memory, and write nothing to the directory."""
    env = {"OPENAI_BASE_URL": upstream.base_url, "TOKENWIRE_MODEL": MODEL, name: str(tmp_path)}
    for _ in range(2):
        async with ServerProcess(env=env) as server:
            before = (await read(server))["grpc_server_started"].samples
            assert [sample.value for sample in before] == [0] * len(METHODS)
            await call_all(server)
            after = (await read(server))["grpc_server_started"].samples
            assert sum(sample.value for sample in after) > 0
    assert files_of(tmp_path) == []


async def test_folders_that_are_missing_are_not_missed(upstream: DemoUpstream) -> None:
    """Workers need no home directory, temporary directory or metrics directory."""
    names = ("HOME", "TMPDIR", "PROMETHEUS_MULTIPROC_DIR")
    async with crew(upstream, dict.fromkeys(names, "/no/such/folder")) as server:
        await call_all(server)
        assert (await by_worker(server, STARTED)).keys() == {str(each) for each in range(WORKERS)}
        assert {entry["level"] for entry in server.entries} == {"info"}
        assert len(server.entries) == len(server.log_lines)


async def test_service_links_are_no_settings(upstream: DemoUpstream) -> None:
    """In a pod next to a Service of this name, the server starts without a warning."""
    async with ServerProcess(env={"OPENAI_BASE_URL": upstream.base_url, **LINKS}) as server:
        assert {entry["level"] for entry in server.entries} == {"info"}
        assert len(server.entries) == len(server.log_lines)
