"""How the upstream's name becomes addresses."""

import errno
import socket
from typing import Final

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

LOOPBACK: Final = (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))


class Resolver(ThreadedResolver):
    """The system's resolver, with two differences.

    `localhost` is both loopback addresses (RFC 6761, 6.3): the system may know only one of
    them, and servers listen on either. And a lookup that fails for want of a descriptor says
    so, where the system says that the name does not exist, or not now.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises:
            OSError: It has none (socket.gaierror), or there is no descriptor left.
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
            _require_a_descriptor()
            raise


def _require_a_descriptor() -> None:
    try:
        socket.socket().close()
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
