"""The example in Rust, which repeats calls itself."""

from pathlib import Path

import pytest

from support.app import StartApp, Stub
from support.gateway import HELLO, gateway_world
from support.helpers import collect, text_of
from support.limits import KEY, bearer, callers
from support.programs import ROOT, Outcome, run
from tokenwire.app import App
from tokenwire.v1 import chatgpt_pb2 as pb
from tokenwire_demo import DemoUpstream

pytestmark = [pytest.mark.tools, pytest.mark.timeout(180)]

RUST = ROOT / "examples" / "rust"
PROGRAM = RUST / "target" / "debug" / "tokenwire-examples"
MODELS = {"smart": {"routes": "one/a"}}
TOLD = 0.7


async def chat(address: str, text: str = "hello", *key: str) -> Outcome:
    """Run the example to its end."""
    return await run(PROGRAM, address, text, *key, within=60)


async def test_prints_the_answer_and_how_it_ended(app: App, stub: Stub) -> None:
    """The whole answer is printed to stdout; model, finish reason and usage to stderr."""
    text = "Hello, grüße, 你好"
    expected = await collect(stub.Send(pb.Message(content=text)))
    done = await chat(app.address, text)
    last = expected[-1]
    assert (done.code, done.stdout) == (0, text_of(expected) + "\n")
    assert done.stderr.splitlines() == [
        f"model: {last.model}",
        f"finish reason: {pb.FinishReason.Name(last.finish_reason)}",
        f"usage: {last.usage.input_tokens} input tokens, {last.usage.output_tokens} output tokens",
    ]


@pytest.mark.parametrize("status", [429, 503])
async def test_comes_back_when_told(app: App, upstream: DemoUpstream, status: int) -> None:
    """A second attempt follows after the time that the server says."""
    upstream.script(f"status {status} retry-after-ms={TOLD * 1000:.0f}")
    done = await chat(app.address)
    assert done.code == 0, done.stderr
    assert done.stderr.startswith("attempt 2 in 700 ms\n")
    first, second = upstream.requests
    assert second.started - first.started >= TOLD


@pytest.mark.parametrize("plan", ["status 402", "tokens 1; reset"], ids=["quota", "begun"])
async def test_some_failures_are_not_repeated(app: App, upstream: DemoUpstream, plan: str) -> None:
    """A used-up quota, and an answer that has begun, end with the first attempt."""
    upstream.script(plan, plan)
    done = await chat(app.address)
    assert (done.code, len(upstream.requests)) == (1, 1)
    assert " of tokenwire\n" in done.stderr


async def test_gives_up_after_four_attempts(app: App, upstream: DemoUpstream) -> None:
    """A server that stays unavailable is asked four times."""
    upstream.script(*["status 503"] * 5)
    done = await chat(app.address)
    assert (done.code, len(upstream.requests)) == (1, 4)
    assert "Unavailable: " in done.stderr


async def test_names_the_field(app: App) -> None:
    """The details of an invalid request are printed."""
    done = await chat(app.address, " ")
    assert done.code == 1
    assert done.stderr.startswith("InvalidArgument: ")
    assert "reason: EMPTY_PROMPT of tokenwire\n" in done.stderr
    assert "field: content must hold more than white space\n" in done.stderr


async def test_names_the_limit_and_sends_its_key(tmp_path: Path) -> None:
    """A caller is known by its key; its limit and the time to wait are printed."""
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=callers(requests="1/d")
    ) as world:
        await collect(world.stub.Send(HELLO, metadata=bearer()))
        done = await chat(world.app.address, "hello", KEY)
        unknown = await chat(world.app.address, "hello", "tw_unknown_canary3")
    assert (done.code, unknown.code) == (1, 1)
    assert "limit: requests/d\n" in done.stderr
    assert "retry after: " in done.stderr
    assert "reason: CREDENTIALS_INVALID of tokenwire\n" in unknown.stderr


async def test_the_command_of_the_readme_works(start_app: StartApp) -> None:
    """The command of the README prints an answer."""
    app = await start_app()
    readme = (RUST / "README.md").read_text("utf-8")
    [line] = [line for line in readme.splitlines() if line.startswith("cargo run ")]
    pointed = line.replace("127.0.0.1:50051", app.address)
    environment = {"CARGO_NET_OFFLINE": "true", "CARGO_PROFILE_DEV_DEBUG": "0"}
    done = await run("sh", "-c", pointed, cwd=RUST, env=environment, within=150)
    assert done.code == 0, done.stderr
    assert done.stdout


async def test_rustfmt_is_content() -> None:
    """The source is formatted with rustfmt."""
    done = await run("cargo", "fmt", "--check", cwd=RUST)
    assert done == Outcome(0, "", "")
