"""The real grpc-health-probe, called as in Kubernetes."""

from pathlib import Path

import pytest

from support.programs import Outcome, run
from tokenwire.app import App

pytestmark = pytest.mark.tools

SERVICES = pytest.mark.parametrize("service", ["", "openai.Chatgpt"])


async def probe(tools: Path, address: str, service: str) -> Outcome:
    """Probe the health of one service."""
    limits = ("-connect-timeout", "10s", "-rpc-timeout", "10s")
    asked = (f"-addr={address}", f"-service={service}")
    return await run(tools / "grpc-health-probe", *asked, *limits)


@SERVICES
async def test_a_running_server_is_serving(tools: Path, app: App, service: str) -> None:
    """The probe reports SERVING with exit code 0, for the server and for the chat service."""
    done = await probe(tools, app.address, service)

    assert done.code == 0, done.stderr
    assert "status: SERVING" in done.stdout + done.stderr


@SERVICES
async def test_a_draining_server_is_not_serving(
    tools: Path, draining_app: App, service: str
) -> None:
    """While the server drains, the probe reports NOT_SERVING with exit code 4 for both names."""
    done = await probe(tools, draining_app.address, service)

    assert done.code == 4
    assert "NOT_SERVING" in done.stdout + done.stderr


async def test_an_unknown_service_is_a_failed_call(tools: Path, app: App) -> None:
    """A service that the server does not know is a failed probe with exit code 3."""
    done = await probe(tools, app.address, "openai.Chatgtp")

    assert done.code == 3
    assert "NotFound" in done.stderr or "unknown service" in done.stderr
