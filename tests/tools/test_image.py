"""The image, built and run as the chart runs it."""

import asyncio
import mmap
import signal
import subprocess
from pathlib import Path

import pytest

from image import podman
from support.app import MODEL
from support.containers import (
    CANARY,
    DEMO,
    IMAGE,
    ON_THIS_MACHINE,
    Container,
    chart_options,
    chart_pod,
    ended,
    inspected,
    output_of,
)
from support.programs import ROOT
from tokenwire import __version__
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_client import Client
from tokenwire_demo import DemoUpstream

# The first test includes the build.
pytestmark = [pytest.mark.tools, pytest.mark.timeout(1500), pytest.mark.usefixtures("image")]

ANSWER = "This is tokenwire's built-in demo model"
STREAMS = 20
# The second path is that of cgroup v1.
STATUS = """
import pathlib
print(pathlib.Path("/proc/1/status").read_text())
groups = pathlib.Path("/sys/fs/cgroup")
limits = groups / "memory.max", groups / "memory" / "memory.limit_in_bytes"
print("memory", *[limit.read_text().strip() for limit in limits if limit.exists()])
"""
RESTRICTED = (
    "Uid:\t65532\t65532\t65532\t65532\n",
    "Gid:\t65532\t65532\t65532\t65532\n",
    "CapEff:\t0000000000000000\n",
    "CapBnd:\t0000000000000000\n",
    "NoNewPrivs:\t1\n",
    "Seccomp:\t2\n",
)
IMPORTED = """
import sys, tokenwire.__main__, tokenwire.app, pathlib
files = [m.__cached__ for m in list(sys.modules.values()) if getattr(m, "__cached__", None)]
print(len(files), *[file for file in files if not pathlib.Path(file).exists()])
"""
INSTALLERS = """
import importlib.util, pathlib
print([name for name in ("pip", "setuptools") if importlib.util.find_spec(name)])
print(sorted(map(str, pathlib.Path("/usr/local").rglob("pip*"))))
"""
SIMULATORS = """
import pathlib
print(list(pathlib.Path("/opt").rglob("tokenwire?demo*")))
"""


def test_the_image_is_small() -> None:
    """The image is at most 260 MB, including its base."""
    assert inspected()["Size"] <= 260_000_000


def test_the_demo_image_is_the_same_with_one_layer_more() -> None:
    """The demo image is the image plus one layer that adds only the simulator."""
    image, demo = inspected(), inspected(DEMO)
    *below, _ = demo["RootFS"]["Layers"]
    assert below == image["RootFS"]["Layers"]
    assert demo["Size"] - image["Size"] < 1_000_000
    for key in ("User", "Entrypoint", "Cmd", "Labels", "ExposedPorts", "StopSignal"):
        assert demo["Config"][key] == image["Config"][key]


async def test_the_image_has_no_simulator() -> None:
    """`serve --demo` fails in the image without the simulator, and names the image that has it."""
    done = await ended(*chart_options(), command=("serve", "--demo"))
    assert done.code == 2
    [line] = done.stderr.splitlines()
    assert "the image whose tag ends with -demo" in line
    assert await output_of("--entrypoint=python", command=("-c", SIMULATORS)) == "[]\n"
    assert await output_of("--entrypoint=python", command=("-c", SIMULATORS), image=DEMO) != "[]\n"


def test_the_image_says_what_it_is() -> None:
    """The labels, user, ports and commands match those that the chart and Compose use."""
    config = inspected()["Config"]
    labels = config["Labels"]
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    revision = "unknown" if asked.returncode else asked.stdout.strip()
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"] == revision
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert config["User"] == "65532:65532"
    assert config["User"].startswith(f"{chart_pod()['securityContext']['runAsUser']}:")
    assert set(config["ExposedPorts"]) == {"50051/tcp", "9464/tcp"}
    assert (config["Entrypoint"], config["Cmd"]) == (["tokenwire"], ["serve"])
    assert config["StopSignal"] == "SIGTERM"


async def test_it_streams_under_the_charts_security_context() -> None:
    """Under the chart's restrictions, the image streams the demo model's answer to a client."""
    [server_of_chart] = chart_pod()["containers"]
    assert server_of_chart["image"].endswith("-demo")
    command = tuple(server_of_chart["command"][1:])
    async with (
        Container(*chart_options(), *ON_THIS_MACHINE, command=command, image=DEMO) as server,
        Client(server.address) as client,
    ):
        answers = [answer async for answer in client.send("hello")]
        process = (await server.exec("python", "-c", STATUS)).stdout
        write = await server.exec("python", "-c", "open('/opt/tokenwire/x', 'w')")
    assert "".join(answer.content for answer in answers).startswith(ANSWER)
    assert len(answers) > 1
    for line in RESTRICTED:
        assert line in process
    assert f"memory {1024**3}\n" in process
    assert "Read-only file system" in write.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_it_needs_no_writable_file_at_all(workers: str) -> None:
    """The image serves without a writable /tmp, with one process and with several."""
    command = ("serve", "--demo", "--workers", workers)
    options = (*chart_options(tmp=False), *ON_THIS_MACHINE)
    async with (
        Container(*options, command=command, image=DEMO) as server,
        Client(server.address) as client,
    ):
        text = "".join([answer.content async for answer in client.send("hello")])
    assert text.startswith(ANSWER)


async def test_it_needs_no_shell() -> None:
    """The image serves without any shell."""
    gone = [f"--volume=/dev/null:/usr/bin/{shell}:ro" for shell in ("dash", "bash")]
    options = (*chart_options(), *gone, *ON_THIS_MACHINE)
    async with (
        Container(*options, command=("serve", "--demo"), image=DEMO) as server,
        Client(server.address) as client,
    ):
        assert (await server.exec("sh", "-c", "true")).code != 0
        assert [answer async for answer in client.send("hello")]


async def test_the_probe_inside_finds_it_serving() -> None:
    """The image's default addresses, grpc_health_probe and HEALTHCHECK work together."""
    # In a network of its own, the default ports are free.
    options = (*chart_options(), "--network=none")
    async with Container(*options, command=("serve", "--demo"), image=DEMO) as server:
        assert (server.address, server.metrics_address) == ("0.0.0.0:50051", "0.0.0.0:9464")
        probe = await server.exec(
            "grpc_health_probe", "-addr=localhost:50051", "-service=openai.Chatgpt"
        )
        assert probe.code == 0, probe.stderr
        assert "SERVING" in probe.stdout + probe.stderr
        assert await server.healthcheck() == 0
        server.signal(signal.SIGTERM)
        await server.logged("draining")
        assert await server.healthcheck() == 1


async def test_sigterm_lets_every_answer_finish(upstream: DemoUpstream) -> None:
    """SIGTERM to process 1 during 20 streams lets all of them complete, with exit code 0."""
    upstream.script(*["tokens 1; barrier all; answer"] * STREAMS)
    settings = {"OPENAI_BASE_URL": upstream.base_url, "TOKENWIRE_MODEL": MODEL}
    given = [f"--env={name}={value}" for name, value in settings.items()]
    async with (
        Container(*chart_options(), *given, *ON_THIS_MACHINE) as server,
        Client(server.address) as client,
    ):

        async def finish() -> int:
            return [answer async for answer in client.send("hello")][-1].finish_reason

        calls = [asyncio.create_task(finish()) for _ in range(STREAMS)]
        await upstream.barrier("all").reached(STREAMS)
        assert (await server.exec("python", "-c", "import os; os.kill(1, 15)")).code == 0
        await server.logged("draining")
        upstream.barrier("all").release()
        assert await asyncio.gather(*calls) == [pb.FINISH_REASON_STOP] * STREAMS
        assert await server.wait() == 0


async def test_what_a_server_imports_is_compiled() -> None:
    """Every module that the server imports at startup is precompiled."""
    printed = await output_of(*chart_options(), "--entrypoint=python", command=("-c", IMPORTED))
    modules, *missing = printed.split()
    assert int(modules) > 500
    assert missing == []


async def test_nothing_installs_anything() -> None:
    """Neither the environment nor the base contains pip."""
    printed = await output_of("--entrypoint=python", command=("-c", INSTALLERS))
    assert printed.splitlines() == ["[]", "[]"]


def test_nothing_of_the_builder_is_in_it(tmp_path: Path) -> None:
    """No key, mirror, proxy or certificate of the build machine is in a file or in the history."""
    archive = tmp_path / "image.tar"
    saved = ("save", "--quiet", "--output", archive, IMAGE)
    subprocess.run(podman(*saved), check=True, stdout=subprocess.DEVNULL)
    with archive.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        assert text.find(b"org.opencontainers.image.revision") > 0
        assert text.find(CANARY.encode()) == -1
