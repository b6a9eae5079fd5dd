"""Which part gives way first, as streams grow."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.capacity.plan import Plan

MOST_STREAMS: Final = 10**9
HOUR: Final = 3_600


@dataclass(frozen=True)
class Bound:
    """A part that carries only so much.

    Attributes:
        part: What it is.
        limit: How much it carries, as text.
        exceeded: Whether a plan needs more.
        remedy: What raises the limit.
    """

    part: str
    limit: str
    exceeded: Callable[[Plan], bool]
    remedy: str

    def streams(self, plan: Plan) -> int | None:
        """Return the most streams within the limit; None if none of a billion exceeds it."""

        def too_many(streams: int) -> bool:
            return self.exceeded(replace(plan, demand=replace(plan.demand, streams=streams)))

        if not too_many(MOST_STREAMS):
            return None
        fits, exceeds = 0, MOST_STREAMS
        while exceeds - fits > 1:
            middle = (fits + exceeds) // 2
            fits, exceeds = (fits, middle) if too_many(middle) else (middle, exceeds)
        return fits


def bounds(plan: Plan) -> list[tuple[Bound, int | None]]:
    """Return all bounds of one release with their streams, the one that gives way first first."""
    found = [(bound, bound.streams(plan)) for bound in _all(plan)]
    return sorted(found, key=lambda each: MOST_STREAMS if each[1] is None else each[1])


def _all(plan: Plan) -> list[Bound]:
    facts = plan.facts
    return [
        Bound(
            "calls of one connection to one pod",
            f"{facts.streams_per_connection:,} calls",
            lambda it: it.demand.streams > facts.streams_per_connection,
            "`round_robin` over the pods, or several channels in a client",
        ),
        Bound(
            "event loop of one pod",
            "1 core",
            lambda it: it.cores > 1,
            "pods, or `TOKENWIRE_WORKERS` where a machine has free cores",
        ),
        Bound(
            "slots of one pod",
            f"`TOKENWIRE_MAX_STREAMS`, {facts.max_streams:,} streams",
            lambda it: it.demand.streams > facts.max_streams,
            "pods; a higher limit only where streams are slow",
        ),
        Bound(
            "ports of one NAT address for one upstream address",
            f"{facts.ephemeral_ports:,} connections",
            lambda it: it.upstream_connections > facts.ephemeral_ports,
            "more NAT addresses, or pods with public addresses; several addresses of the upstream",
        ),
        Bound(
            "Redis, one node, if every caller has limits",
            "1 core for scripts",
            lambda it: it.store_cores > 1,
            "a Redis cluster, which shards by caller; a Redis for each cell",
        ),
        Bound(
            "DNS answer by UDP",
            f"{facts.dns_udp_bytes:,} bytes",
            lambda it: it.dns_bytes > facts.dns_udp_bytes,
            "nothing: resolvers ask again by TCP, which must be allowed",
        ),
        Bound(
            "rollout within an hour, one pod at a time (`maxSurge: 1`)",
            "1 hour",
            lambda it: it.rollout_seconds(1) > HOUR,
            "`maxSurge` as a share of the pods, such as `10%`",
        ),
        Bound(
            "endpoints of a Service up to which Kubernetes is tested",
            f"{facts.tested_endpoints:,} pods",
            lambda it: it.pods > facts.tested_endpoints,
            "cells: several releases, each with its own Service",
        ),
        Bound(
            "connections that a node tracks (conntrack)",
            f"{facts.conntrack_max:,} on {facts.node_cores} cores",
            lambda it: it.conntrack_per_node > facts.conntrack_max,
            "cells, so that a client connects to fewer pods; `--conntrack-max-per-core`",
        ),
        Bound(
            "DNS answer by TCP",
            f"{facts.dns_tcp_bytes:,} bytes",
            lambda it: it.dns_bytes > facts.dns_tcp_bytes,
            "cells",
        ),
        Bound(
            "open files of a pod",
            f"{facts.open_files:,}",
            lambda it: it.descriptors_per_pod > facts.open_files,
            "cells, so that a pod has fewer clients",
        ),
        Bound(
            "pods of a namespace up to which Kubernetes is tested",
            f"{facts.tested_pods_per_namespace:,} pods",
            lambda it: it.pods > facts.tested_pods_per_namespace,
            "cells in several namespaces",
        ),
        Bound(
            "one Prometheus",
            f"{facts.prometheus_series:,} series",
            lambda it: it.series > facts.prometheus_series,
            "a Prometheus for each cell, or agents that write to shards; recording rules",
        ),
        Bound(
            "pods of a cluster up to which Kubernetes is tested",
            f"{facts.tested_pods:,} pods",
            lambda it: it.pods > facts.tested_pods,
            "several clusters",
        ),
    ]
