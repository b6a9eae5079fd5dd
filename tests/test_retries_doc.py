"""docs/retries.md and examples/retries: the service configs fit the server, in Python too."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.app import StartApp, Stub
from support.fenced import defined_by, fenced
from support.helpers import collect, ended
from support.programs import ROOT
from tokenwire.api.codes import CODES
from tokenwire.api.status import RETRIED
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire.v1 import chatgpt_pb2_grpc
from tokenwire_client.channel import DEFAULT_ATTEMPTS, _service_config
from tokenwire_demo import DemoUpstream

CONFIGS = ROOT / "examples" / "retries"
INTERACTIVE = CONFIGS / "interactive.json"
BATCH = CONFIGS / "batch.json"
DOC = (ROOT / "docs" / "retries.md").read_text("utf-8")
[SNIPPET] = fenced(DOC, "python")
HELLO = pb.Message(content="hello")
SECONDS = 1.3
"""A wait that is longer than the first backoff of each config, 1.2 s at most."""


def policies(path: Path) -> dict[str, dict[str, Any]]:
    """Return the retry policies of a service config by the service's name."""
    config = json.loads(path.read_text("utf-8"))
    return {
        name["service"]: entry["retryPolicy"]
        for entry in config["methodConfig"]
        for name in entry["name"]
    }


def test_the_policy_of_the_python_client_is_the_interactive_one() -> None:
    """What the Python client has built in is what interactive.json says."""
    config = _service_config(DEFAULT_ATTEMPTS)
    file = json.loads(INTERACTIVE.read_text("utf-8"))
    assert config["methodConfig"] == file["methodConfig"][:1]
    assert config["retryThrottling"] == file["retryThrottling"]
    assert config["loadBalancingConfig"] == file["loadBalancingConfig"]


@pytest.mark.parametrize("path", [INTERACTIVE, BATCH], ids=lambda path: path.stem)
def test_no_policy_repeats_what_cannot_help(path: Path) -> None:
    """Each code of a policy has failures that may pass, and the server marks all others with -1."""
    for policy in policies(path).values():
        codes = {grpc.StatusCode[name] for name in policy["retryableStatusCodes"]}
        assert codes <= RETRIED
        for code in codes:
            assert any(kind.retryable for kind, its in CODES.items() if its is code)


@pytest.mark.parametrize(
    ("path", "plan"),
    [
        (INTERACTIVE, f"status 503 retry-after-ms={SECONDS * 1000:.0f}"),
        (BATCH, f"status 429 retry-after-ms={SECONDS * 1000:.0f}"),
    ],
    ids=["interactive", "batch"],
)
async def test_calls_come_back_when_told(
    app: App, upstream: DemoUpstream, path: Path, plan: str
) -> None:
    """A channel with the config waits as long as the server says, and gets the answer."""
    upstream.script(plan)
    async with defined_by(SNIPPET)["retrying_channel"](app.address, path) as channel:
        stub: Stub = chatgpt_pb2_grpc.ChatgptStub(channel)
        assert await collect(stub.Send(HELLO))
    starts = [request.started for request in upstream.requests]
    assert len(starts) == 2
    assert all(later - earlier >= SECONDS for earlier, later in pairwise(starts))


async def test_interactive_tells_its_user_of_a_limit(app: App, upstream: DemoUpstream) -> None:
    """RESOURCE_EXHAUSTED is not repeated by interactive.json."""
    upstream.script("status 429 retry-after-ms=100", "answer")
    async with defined_by(SNIPPET)["retrying_channel"](app.address, INTERACTIVE) as channel:
        _, error = await ended(chatgpt_pb2_grpc.ChatgptStub(channel).Send(HELLO))
    assert error
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("path", [INTERACTIVE, BATCH], ids=lambda path: path.stem)
async def test_health_checks_are_answered(start_app: StartApp, path: Path) -> None:
    """A health check on the same channel is answered."""
    app = await start_app()
    async with defined_by(SNIPPET)["retrying_channel"](app.address, path) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)  # the published types lack the methods
        request = health_pb2.HealthCheckRequest(service="openai.Chatgpt")
        response = await stub.Check(request)
    assert response.status == health_pb2.HealthCheckResponse.SERVING
