"""Certificates that are replaced while the server runs."""

import logging
from pathlib import Path

import pytest
import trustme

from support.app import StartApp
from support.certificates import ANSWER, Mount, Pair, caller, serves
from support.helpers import collect, text_of
from tokenwire.config.regular_files import read_regular
from tokenwire_demo import DemoUpstream

BROKEN = "new certificate cannot be used, the old one stays"
RELOADED = "new certificate in use"


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


@pytest.fixture(autouse=True)
def _every_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="tokenwire")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the logged events about certificates."""
    return [
        record.getMessage() for record in caplog.records if record.name == "tokenwire.server.tls"
    ]


async def test_new_connections_find_the_new_certificate(
    start_app: StartApp, mount: Mount, upstream: DemoUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    """New connections get the replaced certificate; an answer on an old connection continues."""
    old, new = Pair(), Pair()
    app = await start_app(**mount.put(old).settings)
    upstream.script("tokens 1; barrier held; answer")
    async with caller(app.address, old.authority) as client:
        stream = client.send("hello", timeout=30)
        first = await anext(stream)
        await upstream.barrier("held").reached()
        mount.put(new)
        assert await serves(app, new)
        assert not await serves(app, old)
        upstream.barrier("held").release()
        answers = [first, *await collect(stream)]
    assert ANSWER in text_of(answers)
    assert answers[-1].finish_reason
    assert lines(caplog) == [RELOADED]


async def test_a_pair_replaced_before_the_first_connection_counts(
    start_app: StartApp, mount: Mount
) -> None:
    """A pair replaced before the first connection is served to the first caller."""
    app = await start_app(**mount.put(Pair()).settings)
    new = Pair()
    mount.put(new)
    assert await serves(app, new)


async def test_a_broken_pair_changes_nothing(
    start_app: StartApp, mount: Mount, caplog: pytest.LogCaptureFixture
) -> None:
    """A mismatched or missing key is logged once per change, and the old pair stays in use."""
    old, new = Pair(), Pair()
    app = await start_app(**mount.put(old).settings)
    mount.put_files({"tls.crt": new.certificate, "tls.key": old.key})
    assert await serves(app, old)
    assert await serves(app, old)
    assert lines(caplog) == [BROKEN]
    problem = f"TOKENWIRE_TLS_KEY_FILE={mount['tls.key']}: is not the key of the certificate"
    [[told]] = [vars(each)["problems"] for each in caplog.records if each.getMessage() == BROKEN]
    assert told.startswith(problem)
    mount.put_files({"tls.crt": new.certificate})
    assert await serves(app, old)
    assert lines(caplog) == [BROKEN] * 2
    mount.put(new)
    assert await serves(app, new)
    assert lines(caplog) == [BROKEN, BROKEN, RELOADED]
    for pair in (old, new):
        body = pair.key.decode().splitlines()[1]
        assert not [each for each in caplog.records if body in str(vars(each))]


async def test_files_that_are_written_in_place_count_too(start_app: StartApp, mount: Mount) -> None:
    """Files replaced in place, one after the other, take effect when the new pair is complete."""
    old, new = Pair(), Pair()
    app = await start_app(**mount.put(old).settings)
    mount["tls.crt"].write_bytes(new.certificate)
    assert await serves(app, old)
    mount["tls.key"].write_bytes(new.key)
    assert await serves(app, new)


async def test_callers_authority_is_replaced_too(start_app: StartApp, mount: Mount) -> None:
    """After the client authority is replaced, only certificates of the new one are accepted."""
    server, former, latter = Pair(), trustme.CA(), trustme.CA()
    app = await start_app(**mount.put(server, former.cert_pem.bytes()).settings)
    assert await serves(app, server, shown=Pair(former))
    mount.put(server, latter.cert_pem.bytes())
    assert not await serves(app, server, shown=Pair(former))
    assert await serves(app, server, shown=Pair(latter))


async def test_a_pair_that_changes_while_it_is_read_is_read_again(
    start_app: StartApp, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate of the old pair is never combined with a key of the new, even at startup."""
    old, new = Pair(), Pair()
    mount.put(old)
    read, reads = read_regular, []

    def read_slowly(path: Path) -> bytes:
        content = read(path)
        reads.append(path.name)
        if reads == ["tls.crt"]:
            mount.put(new)
        return content

    monkeypatch.setattr("tokenwire.server.tls.read_regular", read_slowly)
    app = await start_app(**mount.settings)
    assert reads == ["tls.crt", "tls.key"] * 2
    assert await serves(app, new)


async def test_unchanged_files_are_not_read_again(
    start_app: StartApp, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection makes the server check the files for changes, but not read unchanged files."""
    pair = Pair()
    app = await start_app(**mount.put(pair).settings)
    reads: list[Path] = []
    monkeypatch.setattr("tokenwire.server.tls.read_regular", reads.append)
    assert await serves(app, pair)
    assert reads == []
