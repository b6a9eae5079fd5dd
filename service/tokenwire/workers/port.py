"""The port that workers share."""

import contextlib
import socket

from tokenwire.config import cannot_listen


def reserve(listen: str) -> tuple[str, socket.socket]:
    """Keep a port for sockets of this user that ask to share it, and take no connection.

    It stays ours while no worker listens, and any other server fails to listen on it.

    Args:
        listen: HOST:PORT; port 0 takes any free one.

    Returns:
        The address with the port that it got, and what keeps it until closed.

    Raises:
        SettingsError: The address cannot be listened on.
    """
    host, _, port = listen.rpartition(":")
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # Not shared: this fails while anyone listens there, whether they would share or not.
        with socket.create_server(address[:2], family=family) as unshared:
            address = unshared.getsockname()
        with contextlib.ExitStack() as until_kept:
            kept = until_kept.enter_context(socket.socket(family, socket.SOCK_STREAM))
            # As create_server does: connections of an earlier server may still be closing.
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            kept.bind(address)
            # Otherwise one that does not share could listen beside this, which does not listen.
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            until_kept.pop_all()
    except (OSError, UnicodeError):
        raise cannot_listen("TOKENWIRE_LISTEN", listen) from None
    return f"{host}:{address[1]}", kept
