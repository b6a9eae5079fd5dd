"""The messages of `chat` and `probe` about a server that they cannot reach."""

from pathlib import Path

import pytest
import trustme

from support.app import StartApp
from support.certificates import Mount, Pair
from support.command_line import TOKENWIRE, Finished, run
from support.scripted_server import ScriptedServer, says

pytestmark = pytest.mark.slow

COMMANDS = {"chat": ("chat", "hi"), "probe": ("probe", "--connect-timeout", "0.5")}


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


async def said(command: str, *options: str) -> str:
    """Return the only line that a command prints to stderr when it fails to connect."""
    finished: Finished = await run(*TOKENWIRE, *COMMANDS[command], *options)
    assert finished.code
    assert finished.stdout == ""
    [line] = finished.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", COMMANDS)
async def test_plaintext_to_tls(start_app: StartApp, mount: Mount, command: str) -> None:
    """Without --tls, the message reports that the server uses TLS."""
    app = await start_app(**mount.put(Pair()).settings)
    line = await said(command, "--address", app.address)
    assert f"the server at {app.address} speaks TLS; add --tls" in line


@pytest.mark.parametrize("command", COMMANDS)
async def test_tls_to_plaintext(command: str) -> None:
    """With --tls, the message reports that the server uses plaintext."""
    async with ScriptedServer(says()) as server:
        line = await said(command, "--address", server.address, "--tls")
    assert f"the server at {server.address} speaks plaintext; leave --tls" in line


@pytest.mark.parametrize("command", COMMANDS)
async def test_wrong_authority(start_app: StartApp, mount: Mount, command: str) -> None:
    """For a certificate that is not signed by a trusted authority, the message names --ca."""
    app = await start_app(**mount.put(Pair()).settings)
    (mount["other.crt"]).write_bytes(trustme.CA().cert_pem.bytes())
    line = await said(command, "--address", app.address, "--ca", str(mount["other.crt"]))
    assert "is not signed by an authority that is trusted here" in line
    assert "--ca FILE" in line


@pytest.mark.parametrize("command", COMMANDS)
async def test_wrong_name(start_app: StartApp, mount: Mount, command: str) -> None:
    """For a certificate of another name, the message has the expected name and --server-name."""
    pair = Pair(name="tokenwire.models.svc")
    app = await start_app(**mount.put(pair).settings)
    line = await said(command, "--address", app.address, "--ca", str(mount["tls.crt"]))
    assert "the server's certificate is not for '127.0.0.1'" in line
    assert "--server-name" in line


@pytest.mark.parametrize("command", COMMANDS)
async def test_missing_client_certificate(start_app: StartApp, mount: Mount, command: str) -> None:
    """If the server requires a client certificate, the message names --cert."""
    pair = Pair(trustme.CA())
    app = await start_app(**mount.put(pair, pair.authority).settings)
    line = await said(command, "--address", app.address, "--ca", str(mount["ca.crt"]))
    assert "the server asks for a client's certificate; add --cert FILE KEYFILE" in line


@pytest.mark.parametrize("command", COMMANDS)
async def test_unknown_name(command: str) -> None:
    """The message reports a name that does not resolve."""
    line = await said(command, "--address", "no-such-host.invalid:1")
    assert "the name 'no-such-host.invalid' cannot be resolved; check --address" in line


@pytest.mark.parametrize("command", COMMANDS)
async def test_nothing_listens(command: str) -> None:
    """If nothing listens, the message asks whether a server is running and how to start one."""
    async with ScriptedServer(says()) as server:
        pass
    line = await said(command, "--address", server.address)
    assert f"is a tokenwire server running at {server.address}? Start one with" in line
