"""docs/proxies.md: its commands start, its settings do what it says, its tables fit the files."""

import re
import shlex
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import yaml

from support.app import StartApp, Stub
from support.envoy import CONFIG, Parts, envoy
from support.fenced import fenced
from support.held import held
from support.helpers import collect, failure_of
from support.programs import ROOT, run
from support.proxied import proxied
from test_load_balancing_doc import calls_of
from tokenwire.config import Settings
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_demo import DemoUpstream

pytestmark = [pytest.mark.tools, pytest.mark.timeout(120)]

DOC: Final = (ROOT / "docs" / "proxies.md").read_text("utf-8")
OUTLIERS, BALANCING, HIDING = map(yaml.safe_load, fenced(DOC, "yaml"))
HELLO = pb.Message(content="hello")
SLOTS: Final = 10
EJECTING: Final = {"consecutive_5xx": 3, "max_ejection_percent": 100, "interval": "0.1s"}
NGINX: Final = ROOT / "examples" / "nginx" / "nginx.conf"


def section(name: str) -> str:
    """Return the text below a heading of the second level."""
    return DOC.split(f"\n## {name}\n")[1].partition("\n## ")[0]


async def test_the_commands_start_what_they_say(tools: Path) -> None:
    """Envoy accepts the file that the commands name, and the page has that script."""
    serve, start, build = fenced(section("Browsers"), "sh")
    assert serve == "tokenwire serve --demo"
    assert [start] == fenced(section("Envoy"), "sh")
    program, *options = shlex.split(start)
    checked = await run(tools / program, "--mode", "validate", *options)
    assert checked.code == 0, checked.stderr
    folder, _, script, _ = build.splitlines()
    assert (ROOT / folder.removeprefix("cd ") / "index.html").exists()
    assert script == "npm run build"  # which test_grpc_web.py runs


@pytest.mark.parametrize(("name", "file"), [("Envoy", CONFIG), ("nginx", NGINX)])
def test_each_setting_of_a_table_is_in_the_file(name: str, file: Path) -> None:
    """The first table of a part names only settings that the example has."""
    text = file.read_text("utf-8")
    table = section(name).split("\n\n| Setting | Why |\n")[1].split("\n\n")[0]
    for row in table.splitlines()[1:]:
        for setting in re.findall(r"`([a-z0-9_]+)", row.split("|")[1]):
            assert setting in text


def test_envoy_sees_in_time_that_a_server_stops() -> None:
    """The example asks often enough for a server that stops with its default settings."""
    health = Parts().health
    # Envoy collects changes of health for a second.
    latest = max(int(health[name][:-1]) for name in ("interval", "no_traffic_interval")) + 1
    assert latest < Settings.model_fields["drain_seconds"].default


@pytest.mark.parametrize("settings", [{}, OUTLIERS["outlier_detection"]], ids=["5xx", "document"])
async def test_failures_of_the_model_can_eject_a_server(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """UNAVAILABLE ejects a server by `consecutive_5xx`, and not with the document's settings."""
    detection = {"outlier_detection": EJECTING | settings}
    async with proxied(start_app, tmp_path, cluster=detection) as world:
        for _ in range(5):
            upstream.script("status 503", "status 503")
            _, error = await failure_of(world.stub.Send(HELLO))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        ejections = "cluster.tokenwire.outlier_detection.ejections_active"
        if settings:
            assert await world.proxy.count(ejections) == 0
        else:
            await world.proxy.reaches(ejections, 1)


async def test_calls_move_to_the_idle_server(
    start_app: StartApp, upstream: DemoUpstream, tmp_path: Path
) -> None:
    """With the document's policy, Envoy gives most calls to the idle one of two servers."""
    settings = {"load_reports": "calls", "max_streams": SLOTS}
    busy, idle = await start_app(**settings), await start_app(**settings)
    policy = BALANCING["load_balancing_policy"]["policies"][0]["typed_extension_config"]
    policy["typed_config"] |= {"blackout_period": "0s", "weight_update_period": "0.1s"}
    cluster = {"lb_policy": None, **BALANCING}
    async with (
        held(upstream, busy, SLOTS - 1),
        envoy(tmp_path, busy.address, idle.address, cluster=cluster) as proxy,
        grpc.aio.insecure_channel(proxy.address) as channel,
    ):
        stub: Stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        share = 0.0
        while share < 0.8:
            before = calls_of(idle)
            for _ in range(100):
                await collect(stub.Send(HELLO))
            share = (calls_of(idle) - before) / 100


@pytest.mark.parametrize("filters", [[], [HIDING]], ids=["example", "document"])
async def test_a_filter_hides_the_load(
    tools: Path, start_app: StartApp, tmp_path: Path, filters: list[Any]
) -> None:
    """The load report of a call reaches the caller, and does not with the document's filter."""
    manager = {"http_filters": filters + Parts().manager["http_filters"]}
    settings = {"load_reports": "calls"}
    async with proxied(start_app, tmp_path, settings=settings, manager=manager) as world:
        # Python's gRPC hides the report itself.
        contract = ("-import-path", "proto", "-proto", "tokenwire/v1/chatgpt.proto")
        call = ("-plaintext", "-v", "-d", '{"content": "hello"}', world.proxy.address)
        done = await run(tools / "grpcurl", *contract, *call, "openai.Chatgpt/Send")
        assert done.code == 0, done.stderr
        assert ("endpoint-load-metrics-bin" in done.stdout) is (filters == [])
