"""`tokenwire limits` shows what callers have used of their limits."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.command_line import run_here
from support.gateway import HELLO, GatewayWorld, gateway_world
from support.helpers import collect
from support.limits import OTHER_KEY, bearer, callers
from support.process import Finished, run_tokenwire
from support.status import caller_status, process_status, serving_bytes
from tokenwire.cli.keys import hash_of
from tokenwire.observability.status import CallerStatus, ProcessStatus

MODELS: dict[str, Any] = {"smart": {"routes": "one/b", "price": {"input": 1000, "output": 2000}}}
TEAM = {"streams": 5, "requests": "600/m", "tokens": "200000/d", "dollars": "20/month"}
TEN = "tokens 10; finish; usage 20 10; done"
"""An answer that uses 30 tokens for 4 cents."""
TABLE = """\
CALLER  LIMIT            USED     LEFT   AMOUNT  SHARE
team    streams             0        5        5     0%
team    requests/m          2      598      600     0%
team    tokens/d           60   199940   200000     0%
team    dollars/month  0.0800  19.9200  20.0000     0%
"""
CANARY = "status-canary"


@asynccontextmanager
async def spent(folder: Path, **settings: Any) -> AsyncIterator[GatewayWorld]:
    """Start a server whose caller `team` has had two answers."""
    known = callers(**TEAM)
    async with gateway_world(folder, MODELS, {"one": {}}, callers=known, **settings) as world:
        for _ in range(2):
            world.upstreams["one"].script(TEN)
            await collect(world.stub.Send(HELLO, metadata=bearer()))
        yield world


async def limits(address: str, *arguments: str, **env: str) -> Finished:
    """Run the command."""
    return await run_tokenwire("limits", *arguments, "--metrics-address", address, env=env)


def team(used: int) -> CallerStatus:
    """Return the status of a caller who has used some of 100 tokens."""
    return caller_status("team", {"tokens/d": (used, 100)})


async def shown(*processes: ProcessStatus, arguments: tuple[str, ...] = ()) -> Finished:
    """Return what the command makes of a status."""
    async with serving_bytes(msgspec.json.encode(processes)) as address:
        return await limits(address, *arguments)


async def test_what_is_used_and_left(tmp_path: Path) -> None:
    """Each limit is a row of an aligned table; callers without limits have none."""
    async with spent(tmp_path) as world:
        finished = await limits(world.app.metrics_address)
        assert finished == Finished(0, TABLE, "")
        assert await limits(world.app.metrics_address, "team") == finished


async def test_each_limit_is_a_json_object_on_demand(tmp_path: Path) -> None:
    """With --json each limit is an object on a line, dollars in dollars."""
    async with spent(tmp_path) as world:
        finished = await limits(world.app.metrics_address, "--json")
        *_, tokens, dollars = map(json.loads, finished.stdout.splitlines())
        assert tokens == {
            "caller": "team",
            "limit": "tokens/d",
            "used": 60,
            "left": 199_940,
            "amount": 200_000,
            "share": 0.0003,
            "worker": None,
        }
        assert (dollars["used"], dollars["amount"]) == (0.08, 20)


async def test_a_caller_that_is_not_there(tmp_path: Path) -> None:
    """A caller without limits, or an unknown one, is a line on stderr and exit code 1."""
    async with spent(tmp_path) as world:
        unknown = await limits(world.app.metrics_address, "teem")
        assert unknown == Finished(
            1,
            "",
            "error: the server has no caller 'teem' with limits; did you mean 'team'?\n",
        )
        other = await limits(world.app.metrics_address, "other")
        assert (other.code, other.stdout) == (1, "")


async def test_nobody_has_limits(tmp_path: Path) -> None:
    """A server whose callers have no limits, or that has no callers, says so."""
    known = {"other": {"keys": [hash_of(OTHER_KEY)]}}
    async with gateway_world(tmp_path, MODELS, {"one": {}}, callers=known) as world:
        finished = await limits(world.app.metrics_address)
        assert finished == Finished(0, "", "No caller has limits.\n")
    async with gateway_world(tmp_path, MODELS, {"one": {}}) as world:
        assert (await limits(world.app.metrics_address)).stderr == "No caller has limits.\n"


async def test_the_token_of_the_status(tmp_path: Path) -> None:
    """The token comes from a file, the variable or a mounted file; it is never printed."""
    path = tmp_path / "TOKENWIRE_STATUS_TOKEN"
    path.write_text(f"{CANARY}\n")
    async with spent(tmp_path, status_token=CANARY) as world:
        address = world.app.metrics_address
        assert (await limits(address, "--token-file", str(path))).stdout == TABLE
        assert (await limits(address, TOKENWIRE_STATUS_TOKEN=CANARY)).stdout == TABLE
        assert (await limits(address, TOKENWIRE_SECRETS_DIR=str(tmp_path))).stdout == TABLE
        missing = await limits(address)
        assert missing.code == 1
        assert missing.stderr.startswith("error: the server wants its TOKENWIRE_STATUS_TOKEN;")
        wrong = await limits(address, TOKENWIRE_STATUS_TOKEN="wrong-canary")
        assert wrong.code == 1
        assert wrong.stderr.startswith("error: the server refuses the token;")
        assert "canary" not in wrong.stderr
        unusable = await limits(address, TOKENWIRE_STATUS_TOKEN="wrong\ncanary")
        assert unusable.code == 2
        assert unusable.stderr.startswith("tokenwire: TOKENWIRE_STATUS_TOKEN")
        assert "canary" not in unusable.stderr


async def test_nobody_answers() -> None:
    """Where nothing listens, the line says what to check."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        silent = await limits(address, "--timeout", "50ms")
    assert silent.code == 1
    assert silent.stderr.startswith(f"error: {address} does not answer within 0.05 s;")
    refused = await limits(address)
    assert refused.code == 1
    assert refused.stderr.startswith(f"error: cannot connect to {address}: Connection refused;")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"no", "404 Not Found"), (b"hello", "200 OK"), (b"[{}]", "200 OK"), (b"", "302 Found")],
)
async def test_something_else_answers(body: bytes, status: str) -> None:
    """Another program, or another version, is a line and exit code 1."""
    async with serving_bytes(body, status) as address:
        finished = await limits(address)
    assert (finished.code, finished.stdout) == (1, "")
    assert "is not the metrics port of a tokenwire server of this version" in finished.stderr


async def test_a_server_of_grpc_answers(tmp_path: Path) -> None:
    """The gRPC port is not taken for the metrics port."""
    async with spent(tmp_path) as world:
        finished = await limits(world.app.address)
    assert (finished.code, finished.stdout) == (1, "")
    assert finished.stderr.startswith("error: ")


@pytest.mark.parametrize("address", ["host", "host:", "host:port", "host:0", "host:65536"])
def test_an_address_that_is_none(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A metrics address without a usable port is a bad argument."""
    finished = run_here(capsys, "limits", "--metrics-address", address)
    assert (finished.code, finished.stdout) == (2, "")
    assert "--metrics-address" in finished.stderr


async def test_workers_count_for_themselves() -> None:
    """Without a store each worker has rows of its own."""
    finished = await shown(process_status(team(3), worker=0), process_status(team(40), worker=1))
    assert finished.stdout.splitlines() == [
        "CALLER  LIMIT     USED  LEFT  AMOUNT  SHARE  WORKER",
        "team    tokens/d     3    97     100     3%       0",
        "team    tokens/d    40    60     100    40%       1",
    ]


async def test_workers_with_a_store() -> None:
    """With a store each limit is shown once, as the worker knows it that has asked last."""
    finished = await shown(
        process_status(team(3), worker=0, store="answers"),
        process_status(team(120), worker=1, store="away"),
    )
    assert finished.stdout.splitlines() == [
        "CALLER  LIMIT     USED  LEFT  AMOUNT  SHARE",
        "team    tokens/d   120     0     100   120%",
    ]
    assert finished.stderr == "The store of limits is away; it has said this last.\n"


async def test_no_worker_answers() -> None:
    """A server whose workers do not answer is told from one without limits."""
    assert await shown() == Finished(1, "", "error: no worker of the server answers\n")


async def test_what_a_server_says_is_no_control() -> None:
    """Control characters in names do not reach the terminal."""
    finished = await shown(process_status(caller_status("te\x1b[2Jam", {"tokens/d": (3, 100)})))
    assert "te\\x1b[2Jam" in finished.stdout
