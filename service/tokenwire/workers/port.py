"""Reserves the port that workers share."""

import contextlib
import socket

from tokenwire.config import cannot_listen


def reserve(listen: str) -> tuple[str, socket.socket]:
    """Reserve a port for the workers without accepting connections.

    Only sockets of this user with SO_REUSEPORT can listen on the port. The reservation holds
    while no worker listens, and other servers fail to listen there.

    Args:
        listen: HOST:PORT; port 0 selects a free port.

    Returns:
        HOST:PORT with the actual port, and the socket that reserves it until closed.

    Raises:
        SettingsError: The address is in use or not an address of this machine.
    """
    host, _, port = listen.rpartition(":")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Without SO_REUSEPORT, this fails if any socket listens there, even one that has it.
        with socket.create_server(address[:2], family=family) as exclusive:
            address = exclusive.getsockname()
        with contextlib.ExitStack() as on_failure:
            reserved = on_failure.enter_context(socket.socket(family, socket.SOCK_STREAM))
            # As create_server does: connections of an earlier server may be in TIME_WAIT.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind(address)
            # Otherwise a socket with SO_REUSEADDR alone could listen on the port too, because
            # this socket does not listen.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            on_failure.pop_all()
    except (OSError, UnicodeError):
        raise cannot_listen("TOKENWIRE_LISTEN", listen) from None
    return f"{host}:{address[1]}", reserved
