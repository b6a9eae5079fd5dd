"""Connects to Redis or Valkey: one server, servers watched by Sentinel, or a cluster."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

MAX_CONNECTIONS: Final = 16
CONNECT_SECONDS: Final = 0.25
SENTINEL: Final = "+sentinel"
CLUSTER: Final = "+cluster"
PORTS: Final = {SENTINEL: 26_379, CLUSTER: 6_379}

Client: TypeAlias = Redis | RedisCluster


class BlockingSentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """A pool of connections to the primary that Sentinel names; waits for a free one."""


def connect(url: str) -> Client:
    """Return a client, which connects when it is used.

    Args:
        url: The URL of the store, as in the gateway file: `redis://`, `rediss://` or `unix://` for
            one server, with `+sentinel` or `+cluster` after the scheme for several. Sentinel's has
            the name of the service as its path, and may have a database after it.

    Raises:
        ValueError: The URL is none of these.
    """
    scheme, kind, hosts, path, options = _parse(url)
    # The caller bounds the time and repeats what failed.
    retry = Retry(NoBackoff(), 0)
    if kind == CLUSTER:
        nodes = [ClusterNode(host, port) for host, port in hosts]
        return RedisCluster(
            startup_nodes=nodes,
            max_connections=MAX_CONNECTIONS,
            retry=retry,
            socket_connect_timeout=CONNECT_SECONDS,
            ssl=scheme == "rediss",
            **options,
        )
    pool_options: dict[str, Any] = {
        "max_connections": MAX_CONNECTIONS,
        "timeout": CONNECT_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "retry": retry,
    }
    if kind != SENTINEL:
        return Redis.from_pool(BlockingConnectionPool.from_url(url, **pool_options))
    service, _, database = path.strip("/").partition("/")
    # The library has no types for it.
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        hosts,
        sentinel_kwargs={
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": CONNECT_SECONDS,
            "retry": retry,
            "password": options.pop("sentinel_password", None),
            "username": options.pop("sentinel_username", None),
            "ssl": scheme == "rediss",
            # The authority and the client's certificate are those of the servers.
            **{name: value for name, value in options.items() if name.startswith("ssl_")},
        },
    )
    client: Redis = sentinels.master_for(
        service,
        connection_pool_class=BlockingSentinelPool,
        db=int(database or 0),
        ssl=scheme == "rediss",
        **pool_options,
        **options,
    )
    return client


async def close(client: Client) -> None:
    """Close the connections of a client."""
    await client.aclose()
    pool = client.connection_pool if isinstance(client, Redis) else None
    if isinstance(pool, BlockingSentinelPool):
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def _parse(url: str) -> tuple[str, str, list[tuple[str, int]], str, dict[str, Any]]:
    """Return the scheme, the kind, the addresses, the path, and the user, password and query."""
    parts = urlsplit(url)
    scheme, plus, kind = parts.scheme.partition("+")
    kind = plus + kind
    user, at, addresses = parts.netloc.rpartition("@")
    hosts = [_address(address, PORTS.get(kind, 6_379)) for address in addresses.split(",")]
    # A host without a port, so that the library reads what the forms have in common.
    single = urlunsplit((scheme, f"{user}{at}host", "", parts.query, ""))
    options: Mapping[str, Any] = parse_url(single) if kind else {}
    extra = {
        name: value
        for name, value in options.items()
        if name != "host" and value is not SSLConnection
    }
    return scheme, kind, hosts, parts.path, extra


def _address(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or port
