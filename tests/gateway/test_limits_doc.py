"""docs/callers.md, its parts on limits: files, commands, the tables and the numbers are right."""

import re
from pathlib import Path

import pytest
import yaml

from support.fenced import fenced
from support.gateway import HELLO, gateway_world
from support.helpers import collect
from support.limits import KEY, bearer
from support.process import run_tokenwire
from support.programs import ROOT
from support.status import caller_status, serving_status
from tokenwire.api.codes import CODES
from tokenwire.cli.keys import hash_of
from tokenwire.config.gateway import GatewayFileError, load_gateway
from tokenwire.core import errors
from tokenwire.limits import entries, lease, session, shared

DOC = (ROOT / "docs/callers.md").read_text("utf-8")
SECTION = DOC[DOC.index("## Limits\n") : DOC.index("## Redis in ten minutes\n")]
STORE = DOC[DOC.index("## Redis in ten minutes\n") : DOC.index("## What can be seen\n")]
[FILE] = fenced(SECTION, "yaml")
[STORE_FILE] = fenced(STORE, "yaml")
[TABLE] = fenced(SECTION, "text")
ALL, ONE = fenced(SECTION, "sh")
MODELS = """\
upstreams: {one: {base_url: http://127.0.0.1:1/v1}}
models: {fast: {routes: one/a, price: {input: 1, output: 2}}}
"""


def test_its_file_is_valid(tmp_path: Path) -> None:
    """The caller of the page has the limits of the table, in the file's order."""
    path = tmp_path / "gateway.yaml"
    path.write_text(MODELS + FILE)
    callers = load_gateway(path).file.callers
    assert callers
    limits = callers["team-a"].limits.limits
    assert limits
    rows = [line.split() for line in TABLE.splitlines()[1:]]
    assert list(limits.names) == [row[1] for row in rows]
    amounts = [limits.streams, *(window.amount for window in limits.windows)]
    shown = [float(row[4]) * (10**9 if row[1].startswith("dollars") else 1) for row in rows]
    assert shown == amounts
    kinds = re.findall(r"^\| `(\w+)` \| .* \|$", SECTION.split("###")[0], re.MULTILINE)
    assert kinds == list(yaml.safe_load(FILE)["callers"]["team-a"]["limits"])


def test_the_file_of_the_store_is_valid(tmp_path: Path) -> None:
    """The store of the page is read from the file that its command writes."""
    path = tmp_path / "gateway.yaml"
    path.write_text(MODELS + STORE_FILE)
    [echo] = [each for each in fenced(STORE, "sh") if each.startswith("echo")]
    url = echo.split("'")[1]
    (tmp_path / echo.split()[-1]).write_text(url)
    loaded = load_gateway(path)
    assert loaded.store_url == url
    assert loaded.file.limits.without_store == "local"


def test_its_urls_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    """Each URL of the page is one of a store, and is refused in the file itself with a password."""
    path = tmp_path / "gateway.yaml"
    urls = re.findall(r"`((?:rediss?|unix)(?:\+\w+)?://[^`]+[^`/])`", STORE)
    assert len(urls) == 4
    for text in urls:
        with subtests.test(text):
            url = re.sub(r"\bPORT\b", "6379", re.sub(r"\bDB\b", "0", text))
            path.write_text(f"{MODELS}limits: {{store: env:STORE}}\n")
            monkeypatch.setenv("STORE", url)
            assert load_gateway(path).store_url == url
            path.write_text(f"{MODELS}limits: {{store: '{url}'}}\n")
            if "PASSWORD" in url:
                with pytest.raises(GatewayFileError, match=r"limits\.store") as raised:
                    load_gateway(path)
                assert "PASSWORD" not in str(raised.value)
            else:
                assert load_gateway(path).store_url == url


async def test_the_table_is_what_the_command_prints() -> None:
    """The command prints the table of the page for a server with these numbers."""
    rows = [line.split() for line in TABLE.splitlines()[1:]]
    known = caller_status("team-a", {row[1]: (float(row[2]), float(row[4])) for row in rows})
    async with serving_status(known) as address:
        finished = await run_tokenwire(*ALL.split()[1:], "--metrics-address", address)
    assert (finished.code, finished.stdout) == (0, f"{TABLE}\n")


async def test_the_command_with_a_token_works(tmp_path: Path) -> None:
    """The command for one caller works at a server with a status token."""
    (tmp_path / "status-token").write_text("token")
    callers = {"team-a": {"keys": [hash_of(KEY)], "limits": {"requests": "600/m"}}}
    async with gateway_world(
        tmp_path, {"fast": {"routes": "one/a"}}, {"one": {}}, callers=callers, status_token="token"
    ) as world:
        await collect(world.stub.Send(HELLO, metadata=bearer()))
        command = ONE.replace("127.0.0.1:9464", world.app.metrics_address)
        command = command.replace("status-token", str(tmp_path / "status-token"))
        finished = await run_tokenwire(*command.split()[1:])
        assert (finished.code, "requests/m     1   599" in finished.stdout) == (0, True)


def test_its_table_of_failures_is_right() -> None:
    """The statuses and reasons are those of the code, in the order of the failure table."""
    rows = re.findall(r"^\| .* \| ([A-Z_]+) \| `([A-Z_]+)` \| .* \|$", SECTION, re.MULTILINE)
    kinds = (
        *(errors.CallerRateLimited, errors.CallerTooManyStreams),
        *(errors.CallerBudgetExhausted, errors.LimitsUnavailable),
    )
    assert rows == [(CODES[kind].name, kind.reason) for kind in kinds]


def test_the_numbers_are_right() -> None:
    """The numbers of the page are those of the code."""
    assert entries.BUCKETS == 60
    assert "slides in 60 parts" in SECTION
    assert lease.SLICE_TOKENS == 256
    assert "and 256 output tokens is reserved" in SECTION
    assert "more than 256 tokens ahead" in STORE
    assert session.ANSWER_SECONDS == 0.25
    assert "at most 250 ms" in STORE
    assert shared.RETRY_SECONDS == 1
    assert "asked again every second" in STORE
    assert entries.LIFETIME_SECONDS == 60
    assert "ended within the last minute" in STORE
