"""The dashboard of processes: pods, and workers within them."""

from typing import Final

from panels import Panel, Query, gauge, quantile, quantiles, rate, total

EACH: Final = "{{instance}} {{worker}}"
"""Worker is empty where a process has no others beside it."""
BY: Final = "instance, worker"


PANELS: Final = (
    Panel(
        "Up",
        "1 where Prometheus can read the metrics.",
        "short",
        (Query(gauge("up"), "{{instance}}"),),
    ),
    Panel(
        "CPU",
        "Seconds of CPU each second. A process has one event loop: at 1 it is at its limit.",
        "percentunit",
        (Query(rate("process_cpu_seconds_total"), EACH),),
    ),
    Panel(
        "Memory",
        "Resident memory.",
        "bytes",
        (Query(gauge("process_resident_memory_bytes"), EACH),),
    ),
    Panel(
        "Event loop lag",
        "How late timers are. Tokens wait as long.",
        "s",
        quantiles("tokenwire_event_loop_lag_seconds"),
    ),
    Panel(
        "Event loop lag by process, p99",
        "Which process it is.",
        "s",
        (Query(quantile(0.99, "tokenwire_event_loop_lag_seconds", by=BY), EACH),),
    ),
    Panel(
        "Tasks",
        "Tasks of the event loop. A climb without calls is a leak.",
        "short",
        (Query(gauge("tokenwire_event_loop_tasks"), EACH),),
    ),
    Panel(
        "Streams",
        "Answers in flight in each process.",
        "short",
        (Query(gauge("tokenwire_streams_in_flight"), EACH),),
    ),
    Panel(
        "Places taken",
        "Answers in flight, of as many as may be in flight in that process.",
        "percentunit",
        (
            Query(
                f"{gauge('tokenwire_streams_in_flight')} / {gauge('tokenwire_streams_limit')}", EACH
            ),
        ),
    ),
    Panel(
        "Wait for a place",
        "How long calls waited in the queue, of those that had to wait.",
        "s",
        quantiles("tokenwire_queue_wait_seconds"),
    ),
    Panel(
        "Wait in gRPC",
        "How long calls waited before the server took them; all other times begin then.",
        "s",
        (
            Query(quantile(0.5, "tokenwire_accept_wait_seconds"), "p50"),
            Query(quantile(0.99, "tokenwire_accept_wait_seconds"), "p99"),
        ),
    ),
    Panel(
        "Calls shed",
        "Calls of a crowd that were rejected before their message was read, each second.",
        "cps",
        (Query(rate("tokenwire_shed_calls_total"), EACH),),
    ),
    Panel(
        "Places kept",
        "Free places that are kept for connections which have fewer than others.",
        "short",
        (Query(gauge("tokenwire_streams_reserved"), EACH),),
    ),
    Panel(
        "Own part of the time to the first token",
        "What the service itself adds, waiting for a place included.",
        "s",
        quantiles("tokenwire_overhead_seconds"),
    ),
    Panel(
        "Calls begun and answers sent",
        "Calls that began and messages that were sent, each second.",
        "cps",
        (
            Query(total("grpc_server_started_total"), "calls"),
            Query(total("grpc_server_msg_sent_total"), "answers"),
        ),
    ),
    Panel(
        "Open files",
        "Descriptors: connections of callers and to the upstream, mostly.",
        "short",
        (Query(gauge("process_open_fds"), EACH),),
    ),
    Panel(
        "Garbage collections",
        "Python's, each second, by generation.",
        "cps",
        (
            Query(
                total("python_gc_collections_total", by="generation"), "generation {{generation}}"
            ),
        ),
    ),
    Panel(
        "Draining",
        "1 from the signal to stop until the end.",
        "short",
        (Query(gauge("tokenwire_draining"), EACH),),
    ),
    Panel(
        "Replaced workers",
        "Each second; empty without workers.",
        "cps",
        (Query(rate("tokenwire_worker_restarts_total"), EACH),),
    ),
    Panel(
        "Lost spans",
        "Spans that the collector did not take (export) or that were too many (queue).",
        "cps",
        (Query(total("tokenwire_spans_dropped_total", by="reason"), "{{reason}}"),),
    ),
    Panel(
        "Calls held by their callers",
        "Calls whose message has not come, and ended calls whose status was not taken.",
        "short",
        (
            Query(gauge("tokenwire_incomplete_requests"), f"no message {EACH}"),
            Query(gauge("tokenwire_undelivered_statuses"), f"status not taken {EACH}"),
        ),
    ),
    Panel(
        "Streams reset",
        "Calls that were given up because their status was not taken, each second.",
        "cps",
        (Query(rate("tokenwire_streams_reset_total"), EACH),),
    ),
    Panel(
        "Bytes of requests",
        "In memory, and the limit above which calls are rejected.",
        "bytes",
        (
            Query(gauge("tokenwire_request_bytes_in_flight"), EACH),
            Query(gauge("tokenwire_request_bytes_limit"), f"limit {EACH}"),
        ),
    ),
    Panel(
        "Failures of connections to the upstream",
        "By cause, each second: requests that found no connection, or lost it.",
        "cps",
        (Query(total("tokenwire_upstream_connection_failures_total", by="cause"), "{{cause}}"),),
    ),
    Panel(
        "Lost log lines",
        "Lines that nobody read (queue), that could not be written (write) or that a library "
        "logged too often (rate).",
        "cps",
        (Query(total("tokenwire_log_lines_dropped_total", by="reason"), "{{reason}}"),),
    ),
    Panel(
        "Connections to the metrics port",
        "Open ones, and those that were closed each second because of their number or slowness.",
        "short",
        (
            Query(gauge("tokenwire_metrics_connections"), f"open {EACH}"),
            Query(total("tokenwire_metrics_connections_dropped_total", by="reason"), "{{reason}}"),
        ),
    ),
    Panel(
        "Certificates expire in",
        "With TLS: `server` is what callers are shown, `client_ca` the authorities of callers.",
        "s",
        (
            Query(
                f"{gauge('tokenwire_tls_certificate_not_after_timestamp_seconds')} - time()",
                f"{{{{certificate}}}} {EACH}",
            ),
        ),
    ),
    Panel(
        "Files of TLS",
        "With TLS: 1 while they can be used as they are now, 0 while older ones stay in use.",
        "short",
        (Query(gauge("tokenwire_tls_files_usable"), EACH),),
    ),
    Panel(
        "TLS handshakes and connections",
        "With TLS: handshakes that began, and connections on which a first call came, each second. "
        "The rest failed, or nobody used their connection.",
        "cps",
        (
            Query(total("tokenwire_tls_handshakes_total"), "handshakes"),
            Query(total("tokenwire_tls_connections_total"), "connections with a call"),
        ),
    ),
    Panel(
        "What is running",
        "Versions of tokenwire and Python.",
        "short",
        (
            Query(
                f"count by (job, instance, version, python) ({gauge('tokenwire_build_info')})",
            ),
        ),
        kind="table",
        width=16,
    ),
)
