"""Resolves the upstream's host name."""

import errno
import socket
from typing import Final

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

LOOPBACK: Final = (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))


class Resolver(ThreadedResolver):
    """The system's resolver with two differences.

    `localhost` resolves to both loopback addresses (RFC 6761, 6.3), because the system may return
    only one of them and servers listen on either. A lookup that fails for lack of a file
    descriptor raises EMFILE or ENFILE, where the system's resolver reports that the name does not
    exist.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            OSError: The name does not resolve (socket.gaierror), or no file descriptor is left.
            RuntimeError: No thread can be started.
        """
        if host.rstrip(".").lower() == "localhost":
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=kind,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for address, kind in LOOPBACK
            ]
        try:
            return await super().resolve(host, port, family)
        except socket.gaierror:
            _check_descriptors()
            raise


def _check_descriptors() -> None:
    try:
        socket.socket().close()
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
