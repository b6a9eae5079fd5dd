"""docs/load-balancing.md: its tables are complete, and its code balances by load."""

import json
import re
import typing
from typing import Any

import pytest

from support.app import StartApp
from support.fenced import defined_by, fenced
from support.helpers import collect
from support.programs import ROOT
from test_load_reports import held_call
from tokenwire.app import App
from tokenwire.config import Settings
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire.xds.orca_load_report_pb2 import OrcaLoadReport
from tokenwire_demo import DemoUpstream

DOC = (ROOT / "docs/load-balancing.md").read_text("utf-8")
[SNIPPET] = fenced(DOC, "python")
IN_CALLS, STREAMED = map(json.loads, fenced(DOC, "json"))
ROW = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
HELLO = pb.Message(content="hello")
SLOTS = 3
SEND = {
    "grpc_type": "server_stream",
    "grpc_service": "openai.Chatgpt",
    "grpc_method": "Send",
}


def calls_of(app: App) -> float:
    """Return the number of calls of `Send` that a server has received."""
    return app.metrics.registry.get_sample_value("grpc_server_started_total", SEND) or 0.0


def without_delay(service_config: dict[str, Any]) -> dict[str, Any]:
    """Return a service config whose weights count at once, from reports each second."""
    policy = dict(service_config["loadBalancingConfig"][0]["weighted_round_robin"])
    policy |= {"blackoutPeriod": "0.1s", "weightUpdatePeriod": "0.1s"}
    if "oobReportingPeriod" in policy:
        policy["oobReportingPeriod"] = "1s"
    return {"loadBalancingConfig": [{"weighted_round_robin": policy}]}


def test_the_tables_are_complete() -> None:
    """Each value of the setting and each field of a report has a row."""
    annotation = Settings.model_fields["load_reports"].annotation
    values = typing.get_args(annotation)
    fields = [field.name for field in OrcaLoadReport.DESCRIPTOR.fields]
    found = ROW.findall(DOC)
    assert found[: len(values)] == list(values)
    assert sorted(found[len(values) :]) == sorted(fields)


def test_the_go_import_is_that_of_the_tested_client() -> None:
    """The line for Go is in the client whose balancing is tested."""
    [go] = fenced(DOC, "go")
    source = (ROOT / "tests" / "tools" / "balancing" / "main.go").read_text("utf-8")
    assert go.removeprefix("import ") in source


def test_python_has_the_first_service_config() -> None:
    """The service config in the Python code is that of the page."""
    assert json.loads(defined_by(SNIPPET)["SERVICE_CONFIG"]) == IN_CALLS


@pytest.mark.parametrize(
    ("load_reports", "service_config"),
    [("calls", IN_CALLS), ("service", STREAMED)],
    ids=["reports in calls", "streams of reports"],
)
async def test_its_code_moves_calls_to_the_idle_server(
    start_app: StartApp, upstream: DemoUpstream, load_reports: str, service_config: dict[str, Any]
) -> None:
    """A channel of the page sends most calls to the server with free slots."""
    names = defined_by(SNIPPET)
    names["SERVICE_CONFIG"] = json.dumps(without_delay(service_config))
    settings = {"load_reports": load_reports, "max_streams": SLOTS}
    busy, idle = await start_app(**settings), await start_app(**settings)
    target = f"ipv4:{busy.address},{idle.address}"
    async with held_call(busy, upstream), names["balanced_channel"](target) as channel:
        stub: chatgpt_pb2_grpc.ChatgptAsyncStub = chatgpt_pb2_grpc.ChatgptStub(channel)

        async def share() -> float:
            before = calls_of(busy), calls_of(idle)
            for _ in range(50):
                await collect(stub.Send(HELLO))
            moved = calls_of(idle) - before[1]
            return moved / (moved + calls_of(busy) - before[0])

        while await share() < 0.75:
            pass
