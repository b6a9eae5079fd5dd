"""The simulators of `tokenwire serve --demo`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tokenwire.config import SettingsError
from tokenwire.config.gateway import load_gateway

if TYPE_CHECKING:
    from tokenwire_demo import DemoUpstream


def demo_upstream(host: str = "127.0.0.1", port: int = 0) -> "DemoUpstream":
    """Return a simulator with the pace of a model, not started yet."""
    from tokenwire_demo import DemoUpstream  # noqa: PLC0415 - it may not be installed

    return DemoUpstream(host, port, time_to_first_token=0.2, tokens_per_second=30)


@asynccontextmanager
async def demo_upstreams(path: Path) -> AsyncIterator[None]:
    """Run a simulator at the address of each OpenAI-compatible upstream on this machine.

    Args:
        path: The gateway file.

    Raises:
        SettingsError: The file is invalid, has no such upstream, or an address is not available.
    """
    addresses = _addresses(path)
    if not addresses:
        problem = "with --demo, an upstream must have a `base_url` of this machine, such as"
        raise SettingsError([f"{path}: {problem} http://127.0.0.1:18081/v1"])
    async with AsyncExitStack() as stack:
        for (host, port), name in addresses.items():
            try:
                await stack.enter_async_context(demo_upstream(host, port))
            except OSError:
                problem = f"{path}: upstreams.{name}: no simulator can listen on {host}:{port}"
                raise SettingsError([f"{problem}; is the port in use?"]) from None
        yield


def _addresses(path: Path) -> dict[tuple[str, int], str]:
    """Return the addresses on this machine, with the name of the first upstream at each."""
    found: dict[tuple[str, int], str] = {}
    for name, section in load_gateway(path).file.upstreams.items():
        address = urlsplit(section.base_url or "")
        host = "127.0.0.1" if address.hostname == "localhost" else address.hostname or ""
        if section.provider == "openai" and address.port and _is_loopback(host):
            found.setdefault((host, address.port), name)
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
