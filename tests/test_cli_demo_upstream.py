"""The demo-upstream subcommand."""

import argparse
import asyncio
import importlib
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence

import httpx2
import pytest

import tokenwire_demo
from support.programs import run
from tokenwire.cli.demo_upstream import add_parser
from tokenwire_demo import scenario_table

HIDDEN = """
import sys
sys.modules["tokenwire_demo"] = None
from tokenwire.__main__ import main
main()
"""
RUN = """
import argparse, sys
from tokenwire.cli.demo_upstream import add_parser
parser = argparse.ArgumentParser()
add_parser(parser.add_subparsers())
args = parser.parse_args()
sys.exit(args.run(args))
"""


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tokenwire")
    add_parser(parser.add_subparsers())
    return parser.parse_args(["demo-upstream", *arguments])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_a_signal_and_exits_with_0(number: signal.Signals) -> None:
    """One line names the simulator and its address, and a signal ends it with exit code 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, "demo-upstream", "--listen", "127.0.0.1:0"),
        *("--plan", "text hello"),
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    assert line.startswith("demo upstream, a simulator, listens on http://127.0.0.1:")
    async with httpx2.AsyncClient() as client:
        response = await client.post(
            f"{line.split()[-1]}/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "x"}]},
        )
        process.send_signal(number)
        assert await process.communicate() == (b"", b"")
    assert response.json()["choices"][0]["message"]["content"] == "hello"
    assert process.returncode == 0


def test_list_scenarios_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """--list-scenarios prints every named plan and returns 0."""
    args = parse("--list-scenarios")
    assert args.run(args) == 0
    assert capsys.readouterr().out == scenario_table() + "\n"


BAD_ARGUMENTS = [
    (["--listen", "8080"], "'8080' is not HOST:PORT"),
    (["--listen", "localhost:99999"], "'localhost:99999' is not HOST:PORT"),
    (["--tokens-per-second", "-1"], "'-1' is not a number of at least 0"),
    (["--time-to-first-token", "soon"], "'soon' is not a number of at least 0"),
    (["--plan", "explode"], "unknown step 'explode'"),
]


def test_bad_arguments_are_refused(
    capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests
) -> None:
    """An invalid value ends the program with exit code 2 and a line that names it."""
    for arguments, said in BAD_ARGUMENTS:
        with subtests.test(arguments=arguments, said=said):
            with pytest.raises(SystemExit) as caught:
                parse(*arguments)
            assert caught.value.code == 2
            assert said in capsys.readouterr().err


def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """If it cannot listen, it prints one line without a traceback and returns 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        args = parse("--listen", f"127.0.0.1:{port}")
        assert args.run(args) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert error.count("\n") == 1


async def test_it_runs_without_the_server() -> None:
    """`python -m tokenwire_demo` is the same command and imports nothing from tokenwire."""
    alone = await run(
        sys.executable, "-X", "importtime", "-m", "tokenwire_demo", "--list-scenarios"
    )
    assert (alone.code, alone.stdout) == (0, f"{scenario_table()}\n")
    assert "tokenwire_demo.plan" in alone.stderr
    assert not re.search(r"\| +tokenwire\b", alone.stderr)


@pytest.mark.parametrize(
    "command",
    [
        ("demo",),
        ("serve", "--demo"),
        ("demo-upstream", "--listen", "127.0.0.1:0"),
        ("demo-upstream",),
    ],
    ids=" ".join,
)
async def test_without_the_simulator_one_line_says_what_to_install(command: Sequence[str]) -> None:
    """Each command that needs the simulator fails with exit code 2 and names the missing extra."""
    ended = await run(sys.executable, "-c", HIDDEN, *command)
    assert (ended.code, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert "pip install 'tokenwire[demo]'" in line


async def test_without_the_simulator_the_other_commands_work() -> None:
    """Help lists every command, and the others work without the simulator."""
    ended = await run(sys.executable, "-c", HIDDEN, "--help")
    assert ended.code == 0
    assert "demo-upstream" in ended.stdout
    probe = ("probe", "--address", "127.0.0.1:1", "--connect-timeout", "10ms")
    unreachable = await run(sys.executable, "-c", HIDDEN, *probe)
    assert unreachable.code == 2
    assert "simulator" not in unreachable.stderr


def test_the_earlier_name_still_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tokenwire.demo` is the same simulator, with a DeprecationWarning about the new package."""
    monkeypatch.delitem(sys.modules, "tokenwire.demo", raising=False)
    with pytest.warns(DeprecationWarning, match="tokenwire-demo"):
        earlier = importlib.import_module("tokenwire.demo")
    assert earlier.DemoUpstream is tokenwire_demo.DemoUpstream
    assert set(earlier.__all__) | {"__version__"} == set(tokenwire_demo.__all__)
