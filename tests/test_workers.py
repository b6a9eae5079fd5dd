"""`tokenwire serve --workers N`: one port, one metrics endpoint, one error for a bad start."""

import os
import signal
from pathlib import Path

import httpx2
import pytest

from support.app import MODEL
from support.crew import (
    CONNECTIONS,
    HANDLED,
    IN_FLIGHT,
    OPENMETRICS,
    STARTED,
    WORKERS,
    by_worker,
    call_all,
    crew,
    pid_of,
    read,
)
from support.process import FREE_PORTS, ServerProcess, run_tokenwire
from tokenwire_demo import DemoUpstream

pytestmark = pytest.mark.slow

TOKENS = "tokenwire_tokens_total"
UP = "tokenwire_worker_up"
RESTARTS = "tokenwire_worker_restarts_total"


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def libraries_of(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


async def test_workers_share_the_port(upstream: DemoUpstream) -> None:
    """Calls on many connections to one port are answered by all workers."""
    async with crew(upstream) as server:
        answers = await call_all(server)
        assert all(answer.usage.output_tokens for answer in answers)
        calls = await by_worker(server, STARTED)
        assert calls.keys() == {"0", "1"}
        assert sum(calls.values()) == CONNECTIONS
        entry = await server.logged("serving")
        assert entry["workers"] == WORKERS
        assert {entry["worker"] for entry in server.entries if "code" in entry} == {0, 1}
        assert len(server.entries) == len(server.log_lines)


async def test_one_worker_needs_no_supervisor(upstream: DemoUpstream) -> None:
    """By default, the started process is the server itself and has no child processes."""
    async with ServerProcess(env={"OPENAI_BASE_URL": upstream.base_url}) as server:
        assert children_of(server.pid) == []
        assert "workers" not in await server.logged("serving")


async def test_the_option_wins_over_the_variable() -> None:
    """`--workers` overrides the variable, also for the demo."""
    env = {"TOKENWIRE_WORKERS": "1", "TOKENWIRE_DRAIN_SECONDS": "0"}
    async with ServerProcess("--demo", "--workers", "2", env=env) as server:
        assert len(children_of(server.pid)) == WORKERS
        assert all(answer.finish_reason for answer in await call_all(server))
        server.signal(signal.SIGTERM)
        assert await server.wait() == 0


async def test_the_supervisor_is_light(upstream: DemoUpstream) -> None:
    """The supervisor does not load gRPC."""
    async with crew(upstream) as server:
        assert "cygrpc" not in libraries_of(server.pid)
        assert "cygrpc" in libraries_of(pid_of(server, 0))


async def test_a_probe_finds_it_healthy(upstream: DemoUpstream) -> None:
    """Health probes of the shared port succeed, for the server and for the chat service."""
    async with crew(upstream) as server:
        for service in ("", "openai.Chatgpt"):
            asked = ("--address", server.address, "--service", service)
            done = await run_tokenwire("probe", *asked)
            assert (done.code, done.stdout) == (0, "status: SERVING\n")


async def test_metrics_add_up_to_what_was_answered(upstream: DemoUpstream) -> None:
    """Summed over the workers, the metrics match the traffic exactly."""
    async with crew(upstream) as server:
        answers = await call_all(server)
        model = {"gen_ai_request_model": MODEL}
        for kind, expected in (
            ("input", sum(answer.usage.input_tokens for answer in answers)),
            ("output", sum(answer.usage.output_tokens for answer in answers)),
        ):
            found = await by_worker(server, TOKENS, **model, gen_ai_token_type=kind)
            assert sum(found.values()) == expected
        for name in (HANDLED, "gen_ai_server_time_to_first_token_seconds_count"):
            assert sum((await by_worker(server, name)).values()) == CONNECTIONS
        everyone = {"0", "1", "supervisor"}
        assert (await by_worker(server, "process_cpu_seconds_total")).keys() == everyone
        assert await by_worker(server, UP) == {"0": 1, "1": 1}


async def test_metrics_stay_right_while_a_worker_is_replaced(
    upstream: DemoUpstream, tmp_path: Path
) -> None:
    """A killed worker's series disappear, then restart at 0; those of other workers continue."""
    async with crew(upstream, {"TOKENWIRE_SECRETS_DIR": str(tmp_path)}) as server:
        await call_all(server)
        before = await by_worker(server, HANDLED)
        assert sum(before.values()) == CONNECTIONS
        # While a directory is in its place, new workers cannot start.
        key = tmp_path / "OPENAI_API_KEY"
        key.mkdir()
        os.kill(pid_of(server, 0), signal.SIGKILL)
        await server.logged("worker ended")

        await call_all(server)
        meanwhile = before["1"] + CONNECTIONS
        assert await by_worker(server, HANDLED) == {"1": meanwhile}
        assert await by_worker(server, UP) == {"0": 0, "1": 1}

        key.rmdir()
        key.write_text("sk-next")
        await server.logged("worker serving", times=WORKERS + 1)
        assert await by_worker(server, IN_FLIGHT) == {"0": 0, "1": 0}
        await call_all(server)
        after = await by_worker(server, HANDLED)
        assert after["0"] == meanwhile + CONNECTIONS - after["1"] > 0
        assert await by_worker(server, UP) == {"0": 1, "1": 1}
        restarts = await by_worker(server, RESTARTS)
        assert restarts["0"] >= 1
        assert restarts["1"] == 0


async def test_metrics_speak_both_formats(upstream: DemoUpstream) -> None:
    """Both exposition formats list each family once, and families can be selected by name."""
    async with crew(upstream) as server, httpx2.AsyncClient() as client:
        await call_all(server)
        url = f"http://{server.metrics_address}/metrics"
        text = await client.get(url)
        open_text = await client.get(url, headers=OPENMETRICS)
        assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert open_text.headers["content-type"].startswith("application/openmetrics-text")
        for found in (text.text, open_text.text):
            described = [line for line in found.splitlines() if line.startswith("# TYPE ")]
            assert len(described) == len(set(described))
            assert f'{IN_FLIGHT}{{worker="1"}} 0.0' in found
            assert "tokenwire_build_info{" in found
        assert open_text.text.endswith("# EOF\n")
        assert (await read(server, f"?name[]={IN_FLIGHT}")).keys() == {IN_FLIGHT}


async def test_the_metrics_port_tells_of_itself(upstream: DemoUpstream) -> None:
    """The supervisor's metrics port is healthy, limits its connections, and has its own series."""
    async with crew(upstream) as server, httpx2.AsyncClient() as client:
        url = f"http://{server.metrics_address}"
        assert (await client.get(f"{url}/healthz")).text == "ok\n"
        assert (await client.get(f"{url}/elsewhere")).status_code == httpx2.codes.NOT_FOUND
        everyone = {"0": 1, "1": 1, "supervisor": 1}
        assert await by_worker(server, "tokenwire_metrics_connections") == everyone
        dropped = await by_worker(server, "tokenwire_metrics_connections_dropped_total")
        assert dropped == dict.fromkeys(everyone, 0)


@pytest.mark.parametrize(("first", "second"), [("1", "2"), ("2", "1"), ("2", "2")])
async def test_a_port_in_use_is_told_once(upstream: DemoUpstream, first: str, second: str) -> None:
    """Only workers of one server share a port; a second server on it fails to start."""
    env = {"OPENAI_BASE_URL": upstream.base_url, **FREE_PORTS}
    async with crew(upstream, {"TOKENWIRE_WORKERS": first}) as server:
        taken = {"TOKENWIRE_LISTEN": server.address, "TOKENWIRE_WORKERS": second}
        done = await run_tokenwire("serve", env={**env, **taken})
    assert done.code == 2
    told = f"tokenwire: TOKENWIRE_LISTEN={server.address}: cannot listen there"
    assert done.stderr == f"{told}; is the port in use?\n"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        # Only the workers, which load the model, detect this one.
        ("TOKENWIRE_PROVIDER", "nobody", "nobody: "),
        ("TOKENWIRE_METRICS_LISTEN", "192.0.2.1:9464", "192.0.2.1:9464: cannot listen there"),
        ("TOKENWIRE_LISTEN", "192.0.2.1:50051", "192.0.2.1:50051: cannot listen there"),
        ("TOKENWIRE_WORKERS", "0", "0: input should be greater than or equal to 1"),
    ],
)
async def test_a_failed_start_is_told_once(
    upstream: DemoUpstream, name: str, value: str, told: str
) -> None:
    """A setting with which no worker can start is reported in one line, with exit code 2."""
    env = {"OPENAI_BASE_URL": upstream.base_url, "TOKENWIRE_WORKERS": "2", **FREE_PORTS}
    done = await run_tokenwire("serve", env={**env, name: value})
    assert done.code == 2
    assert done.stderr.startswith(f"tokenwire: {name}={told}")
    assert done.stderr.count("\n") == 1
