"""TLS files that cannot be read do not block the server, and are read again later."""

import errno
import os
from pathlib import Path

import pytest

from support.app import StartApp
from support.certificates import Mount, Pair, serves
from tokenwire.server import tls

USABLE = "tokenwire_tls_files_usable"


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


async def test_a_fifo_in_the_place_of_a_key_holds_nothing_up(
    start_app: StartApp, mount: Mount
) -> None:
    """A FIFO in place of a file does not block handshakes or scrapes; the old pair stays in use."""
    pair = Pair()
    app = await start_app(**mount.put(pair).settings)
    key = mount["tls.key"].resolve()
    key.unlink()
    os.mkfifo(key)
    assert app.metrics.registry.get_sample_value(USABLE) == 0
    assert await serves(app, pair)


async def test_files_are_read_again(
    monkeypatch: pytest.MonkeyPatch, start_app: StartApp, mount: Mount
) -> None:
    """A new pair that could not be read for lack of file descriptors is read again later."""

    def fail(_: Path) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    old, new = Pair(), Pair()
    monkeypatch.setattr(tls, "RETRY_SECONDS", 0)
    app = await start_app(**mount.put(old).settings)
    mount.put(new)
    with monkeypatch.context() as exhausted:
        exhausted.setattr(tls, "read_regular", fail)
        assert await serves(app, old)
    assert await serves(app, new)
