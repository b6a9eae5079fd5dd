"""The port that the workers of one server share."""

import socket

import pytest

from tokenwire.config import SettingsError
from tokenwire.workers.port import reserve


def test_a_reserved_port_is_taken() -> None:
    """Before any worker listens, a second server is rejected with an error that names the port."""
    address, kept = reserve("127.0.0.1:0")
    with kept, pytest.raises(SettingsError, match=f"TOKENWIRE_LISTEN={address}: cannot listen"):
        reserve(address)


def test_workers_get_the_connections() -> None:
    """A worker can listen on the reserved port, and the reservation accepts no connections."""
    address, kept = reserve("127.0.0.1:0")
    place = ("127.0.0.1", int(address.rpartition(":")[2]))
    with kept:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(place)
        with socket.create_server(place, reuse_port=True) as worker:
            for _ in range(20):
                with socket.create_connection(place):
                    worker.accept()[0].close()


def test_a_port_is_free_again() -> None:
    """A port can be reserved again after it is released."""
    address, kept = reserve("127.0.0.1:0")
    kept.close()
    again, kept = reserve(address)
    kept.close()
    assert again == address
