"""Clients that call with a token in a file, which is replaced while they run."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.gateway import GatewayWorld, gateway_world, swap_links
from support.issuer import IssuerServer
from support.process import run_tokenwire
from tokenwire_client import ChatError, Client, SyncClient

MODELS: dict[str, Any] = {"fast": {"routes": "one/a"}}
CALLERS: dict[str, Any] = {"jobs": {"tokens": [{"issuer": "cluster", "subject": "*"}]}}


@pytest.fixture
async def world(tmp_path: Path, issuer: IssuerServer) -> AsyncIterator[GatewayWorld]:
    """Start a server whose callers have tokens of the issuer."""
    issuers = {"cluster": issuer.section()}
    async with gateway_world(
        tmp_path, MODELS, {"one": {}}, callers=CALLERS, issuers=issuers
    ) as running:
        yield running


async def test_a_client_reads_its_file_again(
    world: GatewayWorld, issuer: IssuerServer, tmp_path: Path
) -> None:
    """A client calls with the current content of the file, also behind the kubelet's links."""
    (tmp_path / "mounted").mkdir()
    path = tmp_path / "mounted" / "token"
    swap_links(path, issuer.token({"exp": 1}))
    async with Client(world.app.address, token_file=path) as client:
        with pytest.raises(ChatError) as caught:
            await client.ask("hello")
        assert caught.value.reason == "CREDENTIALS_EXPIRED"
        swap_links(path, f"{issuer.token()}\n")
        assert (await client.ask("hello")).content
        assert (await client.list_models()).models
        assert [answer async for answer in client.send("hello")]
        # Between two versions of a folder there may be no file for a moment.
        path.unlink()
        assert (await client.ask("hello")).content
        assert await client.check()


async def test_a_client_that_blocks(
    world: GatewayWorld, issuer: IssuerServer, tmp_path: Path
) -> None:
    """SyncClient does the same."""
    path = tmp_path / "token"
    path.write_text(issuer.token())

    def ask() -> str:
        with SyncClient(world.app.address, token_file=str(path)) as client:
            assert client.ask("hello").content
            path.write_text(issuer.token({"exp": 1}))
            with pytest.raises(ChatError) as caught:
                client.ask("hello")
            return caught.value.reason

    assert await asyncio.to_thread(ask) == "CREDENTIALS_EXPIRED"


async def test_a_file_of_no_use(tmp_path: Path) -> None:
    """A file that is missing or empty is said before a call is sent; no message has a token."""
    with pytest.raises(ValueError, match="key and token_file cannot be combined"):
        Client("127.0.0.1:1", key="a", token_file="b")
    async with Client("127.0.0.1:1", token_file=tmp_path / "token") as client:
        with pytest.raises(FileNotFoundError):
            await client.ask("hello")
        for content in ("", "canary\ncanary", "canary" * 20_000, "ключ"):
            (tmp_path / "token").write_text(content)
            with pytest.raises(ValueError, match="must be one line of printable") as caught:
                await client.ask("hello")
            assert "canary" not in str(caught.value)


async def test_the_command_line(world: GatewayWorld, issuer: IssuerServer, tmp_path: Path) -> None:
    """`tokenwire chat --token-file` calls with the token, and says if it cannot be read."""
    path = tmp_path / "token"
    path.write_text(issuer.token())
    options = ("--address", world.app.address, "--token-file")
    done = await run_tokenwire("chat", *options, str(path), "hello")
    assert (done.code, "built-in demo model" in done.stdout) == (0, True)
    missing = await run_tokenwire("chat", *options, str(tmp_path / "none"), "hello")
    assert (missing.code, "cannot read" in missing.stderr) == (2, True)
    both = await run_tokenwire("chat", *options, str(path), "--key", "a", "hello")
    assert (both.code, "not allowed with" in both.stderr) == (2, True)
