"""The metrics of TLS: certificates, reloads and connections."""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry

from tokenwire.observability.certificate_validity import Validity
from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.labels import CertificateUse, ReloadResult
from tokenwire.observability.prometheus_values import Counter, Gauge

KNOWN_PEERS: Final = 4_096
"""The number of peer addresses remembered, least recently used first out. A larger number would
keep more addresses of closed connections, and a new connection that reuses one is not counted."""


class TlsMetrics:
    """The metrics of the gRPC port with TLS.

    gRPC's threads report handshakes and reloads; the event loop reports calls.

    Args:
        registry: The registry to add the metrics to.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        certificate = (labels.CERTIFICATE,)
        self._not_before = Gauge(
            "tokenwire_tls_certificate_not_before_timestamp_seconds",
            "With TLS: start of the validity of the certificate in the next metric, in Unix "
            "seconds.",
            certificate,
            registry=registry,
        )
        self._not_after = Gauge(
            "tokenwire_tls_certificate_not_after_timestamp_seconds",
            "With TLS: expiry of the certificate in use, in Unix seconds. For `server` this is the "
            "first certificate of the chain to expire, for `client_ca` the last authority.",
            certificate,
            registry=registry,
        )
        self._usable = Gauge(
            "tokenwire_tls_files_usable",
            "With TLS: 1 if the current files can be used, 0 if not and the previous certificate "
            "stays in use.",
            registry=registry,
        )
        reloads = Counter(
            "tokenwire_tls_reloads",
            "With TLS: replacements of the files, by whether the new files could be used.",
            (labels.RESULT,),
            registry=registry,
        )
        self._reloads = {result: reloads.labels(result.value) for result in ReloadResult}
        self._handshakes = Counter(
            "tokenwire_tls_handshakes",
            "With TLS: handshakes started, one for each accepted connection.",
            registry=registry,
        )
        self._connections = Counter(
            "tokenwire_tls_connections",
            "With TLS: connections with at least one call, of `Send` or health. gRPC does not "
            "report the result of a handshake: a handshake without a connection here failed, or "
            "its connection was never used.",
            registry=registry,
        )
        self._peers: OrderedDict[str, None] = OrderedDict()

    def watch_files(self, usable: Callable[[], bool]) -> None:
        """Export whether the TLS files can be used, read at each scrape.

        Args:
            usable: Called from any thread.
        """
        self._usable.set_function(lambda: float(usable()))

    def set_validity(self, use: CertificateUse, validity: Validity | None) -> None:
        """Set the validity period of a certificate in use; None if unknown."""
        not_before = validity.not_before if validity else math.nan
        not_after = validity.not_after if validity else math.nan
        self._not_before.labels(use.value).set(not_before)
        self._not_after.labels(use.value).set(not_after)

    def count_reload(self, result: ReloadResult) -> None:
        """Count a replacement of the TLS files."""
        self._reloads[result].inc()

    def count_handshake(self) -> None:
        """Count a handshake that starts."""
        self._handshakes.inc()

    def note_call(self, peer: str) -> None:
        """Count the connection of a call if it is the connection's first call.

        Args:
            peer: The caller's address, as gRPC formats it.
        """
        if peer in self._peers:
            self._peers.move_to_end(peer)
            return
        self._peers[peer] = None
        if len(self._peers) > KNOWN_PEERS:
            self._peers.popitem(last=False)
        self._connections.inc()
