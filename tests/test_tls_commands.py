"""The client commands against a server with TLS."""

from pathlib import Path

import pytest
import trustme

from support.app import StartApp
from support.certificates import Mount, Pair
from support.process import ServerProcess, run_tokenwire

pytestmark = pytest.mark.slow

ANSWER = "This is tokenwire's built-in demo model"
SERVING = "status: SERVING\n"


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


async def test_chat_and_probe_trust_an_authority(start_app: StartApp, mount: Mount) -> None:
    """`--ca` is enough for an address that the certificate contains."""
    pair = Pair()
    app = await start_app(**mount.put(pair, pair.authority).settings | {"tls_client_ca_file": None})
    reach = ("--address", app.address, "--ca", str(mount["ca.crt"]))
    probed = await run_tokenwire("probe", *reach, "--connect-timeout=30", "--rpc-timeout=30")
    assert (probed.code, probed.stdout) == (0, SERVING)
    answered = await run_tokenwire("chat", *reach, "hello")
    assert (answered.code, answered.stdout[: len(ANSWER)]) == (0, ANSWER)


async def test_chat_and_probe_show_a_certificate(start_app: StartApp, mount: Mount) -> None:
    """`--cert` presents a client certificate; a server with mTLS rejects callers without it."""
    callers = trustme.CA()
    pair = Pair(callers)
    app = await start_app(**mount.put(pair, pair.authority).settings)
    reach = ("--address", app.address, "--ca", str(mount["ca.crt"]))
    shown = ("--cert", str(mount["tls.crt"]), str(mount["tls.key"]))
    probed = await run_tokenwire(
        "probe", *reach, *shown, "--connect-timeout=30", "--rpc-timeout=30"
    )
    assert (probed.code, probed.stdout) == (0, SERVING)
    answered = await run_tokenwire("chat", *reach, *shown, "hello")
    assert (answered.code, answered.stdout[: len(ANSWER)]) == (0, ANSWER)
    refused = await run_tokenwire("chat", *reach, "hello")
    assert (refused.code, refused.stdout) == (1, "")


async def test_chat_and_probe_expect_another_name(start_app: StartApp, mount: Mount) -> None:
    """`--server-name` sets the name to expect in a certificate that does not name the address."""
    pair = Pair(name="tokenwire.models.svc")
    app = await start_app(**mount.put(pair).settings)
    reach = ("--address", app.address, "--ca", str(mount["tls.crt"]))
    name = "--server-name=tokenwire.models.svc"
    probed = await run_tokenwire("probe", *reach, name, "--connect-timeout=30", "--rpc-timeout=30")
    assert (probed.code, probed.stdout) == (0, SERVING)
    answered = await run_tokenwire("chat", *reach, name, "hello")
    assert (answered.code, answered.stdout[: len(ANSWER)]) == (0, ANSWER)
    unnamed = await run_tokenwire("chat", *reach, "hello")
    assert unnamed.code == 1


async def test_the_demo_runs_beside_settings_of_tls(mount: Mount) -> None:
    """`tokenwire demo` calls its own server in plaintext, whatever the environment sets."""
    done = await run_tokenwire("demo", env=mount.put(Pair()).environment)
    assert done.code == 0, done.stderr
    assert "health: SERVING" in done.stdout


async def test_serve_speaks_tls(mount: Mount) -> None:
    """`tokenwire serve` reads the files named by its environment and serves over TLS."""
    async with ServerProcess("--demo", env=mount.put(Pair()).environment) as server:
        reach = ("--address", server.address, "--ca", str(mount["tls.crt"]))
        answered = await run_tokenwire("chat", *reach, "hello")
    assert (answered.code, answered.stdout[: len(ANSWER)]) == (0, ANSWER)
