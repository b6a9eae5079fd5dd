"""The dashboard of processes: pods, and workers within them."""

from typing import Final

from grafana_foundation_sdk.models import units

from meanings import AMBER, RED, colored, limit
from panels import Panel, graph, quantiles, query, rows
from promql import gauge, quantile, rate, total

EACH: Final = "{{instance}} {{worker}}"
"""Worker is empty where a process has no others beside it."""
BY: Final = "instance, worker"


def panels() -> list[Panel]:
    """Return the panels in their order."""
    return [*resources(), *slots(), *runtime(), *edges(), *tls()]


def resources() -> list[Panel]:
    """Return the panels of what a process uses, and of its event loop."""
    return [
        graph(
            "Up",
            "1 where Prometheus can read the metrics.",
            units.Short,
            query(gauge("up"), "{{instance}}"),
        ),
        graph(
            "CPU",
            "Seconds of CPU each second. A process has one event loop: at 1 it is at its limit.",
            units.PercentUnit,
            query(rate("process_cpu_seconds_total"), EACH),
        ),
        graph(
            "Memory",
            "Resident memory.",
            units.BytesIEC,
            query(gauge("process_resident_memory_bytes"), EACH),
        ),
        quantiles(
            "Event loop lag",
            "How late timers are. Tokens wait as long.",
            "tokenwire_event_loop_lag_seconds",
        ),
        graph(
            "Event loop lag by process, p99",
            "Which process it is.",
            units.Seconds,
            query(quantile(0.99, "tokenwire_event_loop_lag_seconds", by=BY), EACH),
        ),
        graph(
            "Tasks",
            "Tasks of the event loop. A climb without calls is a leak.",
            units.Short,
            query(gauge("tokenwire_event_loop_tasks"), EACH),
        ),
    ]


def slots() -> list[Panel]:
    """Return the panels of slots and of the time that calls wait."""
    return [
        graph(
            "Streams",
            "Answers in flight in each process.",
            units.Short,
            query(gauge("tokenwire_streams_in_flight"), EACH),
            stacked=True,
        ),
        graph(
            "Slots taken",
            "Answers in flight, of as many as may be in flight in that process.",
            units.PercentUnit,
            query(
                f"{gauge('tokenwire_streams_in_flight')} / {gauge('tokenwire_streams_limit')}", EACH
            ),
        ),
        quantiles(
            "Wait for a slot",
            "How long calls waited in the queue, of those that had to wait.",
            "tokenwire_queue_wait_seconds",
        ),
        quantiles(
            "Wait in gRPC",
            "How long calls waited before the server took them; all other times begin then.",
            "tokenwire_accept_wait_seconds",
            shares=(0.5, 0.99),
        ),
        colored(
            graph(
                "Calls shed",
                "Calls of a crowd that were rejected before their message was read, each second.",
                units.CountsPerSecond,
                query(rate("tokenwire_shed_calls_total"), EACH),
                stacked=True,
            ),
            {},
            otherwise=AMBER,
        ),
        graph(
            "Slots kept",
            "Free slots that are reserved for connections with fewer slots than others.",
            units.Short,
            query(gauge("tokenwire_streams_reserved"), EACH),
        ),
        quantiles(
            "Own part of the time to the first token",
            "What the service itself adds, waiting for a slot included.",
            "tokenwire_overhead_seconds",
        ),
    ]


def runtime() -> list[Panel]:
    """Return the panels of work done, of its means and of what was lost."""
    return [
        graph(
            "Calls begun and answers sent",
            "Calls that began and messages that were sent, each second.",
            units.CountsPerSecond,
            query(total("grpc_server_started_total"), "calls"),
            query(total("grpc_server_msg_sent_total"), "answers"),
        ),
        graph(
            "Open files",
            "Descriptors: connections of callers and to the upstream, mostly.",
            units.Short,
            query(gauge("process_open_fds"), EACH),
        ),
        graph(
            "Garbage collections",
            "Python's, each second, by generation.",
            units.CountsPerSecond,
            query(
                total("python_gc_collections_total", by="generation"), "generation {{generation}}"
            ),
            stacked=True,
        ),
        graph(
            "Draining",
            "1 from the signal to stop until the end.",
            units.Short,
            query(gauge("tokenwire_draining"), EACH),
        ),
        graph(
            "Replaced workers",
            "Each second; empty without workers.",
            units.CountsPerSecond,
            query(rate("tokenwire_worker_restarts_total"), EACH),
            stacked=True,
        ),
        colored(
            graph(
                "Lost spans",
                "Spans that the collector did not take (export) or that were too many (queue).",
                units.CountsPerSecond,
                query(total("tokenwire_spans_dropped_total", by="reason"), "{{reason}}"),
                stacked=True,
            ),
            {},
            otherwise=RED,
        ),
    ]


def edges() -> list[Panel]:
    """Return the panels of connections, of the bytes on them and of the log."""
    return [
        graph(
            "Calls held by their callers",
            "Calls whose message has not come, and ended calls whose status was not taken.",
            units.Short,
            query(gauge("tokenwire_incomplete_requests"), f"no message {EACH}"),
            query(gauge("tokenwire_undelivered_statuses"), f"status not taken {EACH}"),
        ),
        graph(
            "Streams reset",
            "Calls that were given up because their status was not taken, each second.",
            units.CountsPerSecond,
            query(rate("tokenwire_streams_reset_total"), EACH),
            stacked=True,
        ),
        graph(
            "Bytes of requests",
            "In memory, and the limit above which calls are rejected.",
            units.BytesIEC,
            query(gauge("tokenwire_request_bytes_in_flight"), EACH),
            query(gauge("tokenwire_request_bytes_limit"), f"limit {EACH}"),
        ).override_by_query("B", limit()),
        colored(
            graph(
                "Failures of connections to the upstream",
                "By cause, each second: requests that found no connection, or lost it.",
                units.CountsPerSecond,
                query(
                    total("tokenwire_upstream_connection_failures_total", by="cause"), "{{cause}}"
                ),
                stacked=True,
            ),
            {},
            otherwise=RED,
        ),
        colored(
            graph(
                "Lost log lines",
                "Lines that nobody read (queue), that could not be written (write) or that a "
                "library logged too often (rate).",
                units.CountsPerSecond,
                query(total("tokenwire_log_lines_dropped_total", by="reason"), "{{reason}}"),
                stacked=True,
            ),
            {},
            otherwise=RED,
        ),
        graph(
            "Connections to the metrics port",
            "Open ones, and those that were closed each second because of their number or "
            "slowness.",
            units.Short,
            query(gauge("tokenwire_metrics_connections"), f"open {EACH}"),
            query(total("tokenwire_metrics_connections_dropped_total", by="reason"), "{{reason}}"),
        ),
    ]


def tls() -> list[Panel]:
    """Return the panels of TLS, and of what is running."""
    return [
        graph(
            "Certificates expire in",
            "With TLS: `server` is what callers are shown, `client_ca` the authorities of callers.",
            units.Seconds,
            query(
                f"{gauge('tokenwire_tls_certificate_not_after_timestamp_seconds')} - time()",
                f"{{{{certificate}}}} {EACH}",
            ),
        ),
        graph(
            "Files of TLS",
            "With TLS: 1 while they can be used as they are now, 0 while older ones stay in use.",
            units.Short,
            query(gauge("tokenwire_tls_files_usable"), EACH),
        ),
        graph(
            "TLS handshakes and connections",
            "With TLS: handshakes that began, and connections on which a first call came, each "
            "second. The rest failed, or nobody used their connection.",
            units.CountsPerSecond,
            query(total("tokenwire_tls_handshakes_total"), "handshakes"),
            query(total("tokenwire_tls_connections_total"), "connections with a call"),
        ),
        rows(
            "What is running",
            "Versions of tokenwire and Python.",
            query(
                "count by (namespace, job, instance, version, python) "
                f"({gauge('tokenwire_build_info')})"
            ),
            width=16,
        ),
    ]
