"""From a number of streams to pods, cores, memory, connections and operations of the store."""

import math
from dataclasses import dataclass
from typing import Final

from benchmarks.capacity.costs import Costs, Memory, StoreCosts
from benchmarks.capacity.facts import Facts
from tokenwire.limits.lease import RENEW_TOKENS
from tokenwire.limits.shared import KEEP_ALIVE_SECONDS

ENTRIES_OF_A_CALL: Final = 2
"""What the store of limits is told of each call: that it begins, and that it ends."""
SECONDS_PER_DAY: Final = 86_400
SECONDS_PER_MINUTE: Final = 60


@dataclass(frozen=True)
class Demand:
    """What callers want.

    Attributes:
        streams: The answers in flight at once.
        rate: Tokens per second of each.
        answer_tokens: Tokens of an answer.
        streams_per_client: Answers in flight of each client program, which has one connection to
            each pod.
        utilisation: The share of a core that a pod should use.
    """

    streams: int
    rate: float = 20.0
    answer_tokens: int = 500
    streams_per_client: int = 100
    utilisation: float = 0.6

    @property
    def tokens_per_second(self) -> float:
        """The tokens that all streams receive in a second."""
        return self.streams * self.rate

    @property
    def calls_per_second(self) -> float:
        """The calls that begin and end in a second, by Little's law."""
        return self.tokens_per_second / self.answer_tokens

    @property
    def clients(self) -> int:
        """The number of client programs."""
        return math.ceil(self.streams / self.streams_per_client)


@dataclass(frozen=True)
class Plan:
    """What a demand needs, in one release of the chart.

    Args:
        demand: What callers want.
        costs: What work costs one event loop.
        memory: The memory of one pod.
        store: What the store of limits costs.
        facts: What the chart and others set.
    """

    demand: Demand
    costs: Costs
    memory: Memory
    store: StoreCosts
    facts: Facts

    @property
    def cores(self) -> float:
        """The cores that the event loops use: tokens and calls, without merged tokens."""
        demand, costs = self.demand, self.costs
        of_tokens = demand.tokens_per_second * (costs.token + costs.answer)
        return of_tokens + demand.calls_per_second * costs.call

    @property
    def pods(self) -> int:
        """The pods, each of which uses at most one core; at least two, for rollouts."""
        by_cpu = math.ceil(self.cores / self.demand.utilisation)
        by_slots = math.ceil(self.demand.streams / self.facts.max_streams)
        return max(2, by_cpu, by_slots)

    @property
    def streams_per_pod(self) -> float:
        """The answers in flight in a pod."""
        return self.demand.streams / self.pods

    @property
    def memory_bytes(self) -> float:
        """The resident memory of all pods, without requests that wait for their answers."""
        return self.pods * self.memory.idle + self.demand.streams * self.memory.stream

    @property
    def upstream_connections(self) -> int:
        """The connections to upstreams: HTTP/1.1 has one for each answer in flight."""
        return self.demand.streams

    @property
    def nat_addresses(self) -> int:
        """The source addresses that one upstream address needs behind a NAT."""
        return math.ceil(self.upstream_connections / self.facts.ephemeral_ports)

    @property
    def client_connections(self) -> int:
        """The connections of all clients: `round_robin` has one to each pod."""
        return self.demand.clients * self.pods

    @property
    def cells(self) -> int:
        """The releases among which the pods are divided, so that each is as large as is tested."""
        return math.ceil(self.pods / self.facts.tested_endpoints)

    @property
    def clients_of_a_pod(self) -> int:
        """The client programs that are connected to a pod, if each uses the pods of one cell."""
        return math.ceil(self.demand.clients / self.cells)

    @property
    def descriptors_per_pod(self) -> float:
        """The open files of a pod: its answers' upstreams and its clients' connections."""
        return self.facts.base_descriptors + self.streams_per_pod + self.demand.clients

    @property
    def nodes(self) -> int:
        """The nodes, of which each keeps one core for itself."""
        return math.ceil(self.pods / self.pods_per_node)

    @property
    def pods_per_node(self) -> int:
        """The pods on a node: one for each core but one."""
        return min(self.facts.node_cores - 1, self.facts.max_pods_per_node)

    @property
    def conntrack_per_node(self) -> float:
        """The connections that a node's kernel tracks."""
        return self.pods_per_node * (self.streams_per_pod + self.demand.clients)

    @property
    def store_entries_per_second(self) -> float:
        """What the store of limits is told in a second, if all callers have limits."""
        demand = self.demand
        renewals = max(demand.rate / RENEW_TOKENS, 1 / KEEP_ALIVE_SECONDS)
        return demand.calls_per_second * ENTRIES_OF_A_CALL + demand.streams * renewals

    @property
    def store_cores(self) -> float:
        """The cores of Redis, if each entry is a run of its own, which is the most."""
        return self.store_entries_per_second * (self.store.run + self.store.entry)

    @property
    def store_nodes(self) -> int:
        """The nodes of a Redis cluster, each with one core for scripts."""
        return math.ceil(self.store_cores / self.demand.utilisation)

    @property
    def dns_bytes(self) -> int:
        """The size of the DNS answer that names all pods."""
        return self.facts.dns_head_bytes + self.pods * self.facts.dns_record_bytes

    @property
    def endpoint_slices(self) -> int:
        """The EndpointSlices of the Service."""
        return math.ceil(self.pods / self.facts.endpoints_per_slice)

    @property
    def series(self) -> int:
        """The series of all pods in Prometheus, with one model and no callers."""
        return self.pods * self.facts.series_per_pod

    @property
    def samples_per_second(self) -> float:
        """The samples that Prometheus stores in a second."""
        return self.series / self.facts.scrape_seconds

    @property
    def log_bytes_per_day(self) -> float:
        """The lines `call ended`, one for each call."""
        return self.demand.calls_per_second * self.facts.call_line_bytes * SECONDS_PER_DAY

    @property
    def tokens_per_minute(self) -> float:
        """The output tokens that upstreams must allow in a minute."""
        return self.demand.tokens_per_second * SECONDS_PER_MINUTE

    def rollout_seconds(self, surge: int) -> float:
        """Return how long a rollout takes that replaces `surge` pods at once.

        The last pods of the old version drain and finish their answers after that.
        """
        facts = self.facts
        batches = math.ceil(self.pods / surge)
        return batches * (facts.start_seconds + facts.min_ready_seconds) + facts.drain_seconds
