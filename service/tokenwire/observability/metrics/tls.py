"""What is counted of TLS: certificates, their replacement, and connections."""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry

from tokenwire.observability.certificate_validity import Validity
from tokenwire.observability.metrics import labels
from tokenwire.observability.metrics.labels import CertificateUse, Reload
from tokenwire.observability.prometheus_values import Counter, Gauge

KNOWN_PEERS: Final = 4_096
"""Connections that are told from new ones: those that called last. Of more, too many would be
gone, and a new one that has the address of one of them would not count."""


class TlsMetrics:
    """The metrics of a port that speaks TLS; without TLS there are none.

    Handshakes and reloads come from threads of gRPC's, calls from the event loop.

    Args:
        registry: Where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        certificate = (labels.CERTIFICATE,)
        self._not_before = Gauge(
            "tokenwire_tls_certificate_not_before_timestamp_seconds",
            "With TLS: from when on the certificate of the next metric is valid, in Unix seconds.",
            certificate,
            registry=registry,
        )
        self._not_after = Gauge(
            "tokenwire_tls_certificate_not_after_timestamp_seconds",
            "With TLS: when the certificate in use expires, in Unix seconds. Of those that callers "
            "are shown it is the first to expire, of the authorities of callers the last.",
            certificate,
            registry=registry,
        )
        self._usable = Gauge(
            "tokenwire_tls_files_usable",
            "With TLS: 1 if the files can be used as they are now, 0 while they cannot and older "
            "ones stay in use.",
            registry=registry,
        )
        reloads = Counter(
            "tokenwire_tls_reloads",
            "With TLS: how often files were replaced, by whether the new ones could be used.",
            (labels.RESULT,),
            registry=registry,
        )
        self._reloads = {result: reloads.labels(result.value) for result in Reload}
        self._handshakes = Counter(
            "tokenwire_tls_handshakes",
            "With TLS: handshakes that began, one for each connection that was accepted.",
            registry=registry,
        )
        self._connections = Counter(
            "tokenwire_tls_connections",
            "With TLS: connections on which a first call came, of `Send` or of health. gRPC does "
            "not tell how a handshake ends: those that are not here failed, or nobody used their "
            "connection.",
            registry=registry,
        )
        self._peers: OrderedDict[str, None] = OrderedDict()

    def watch_files(self, usable: Callable[[], bool]) -> None:
        """Ask whenever the metrics are read whether the files can be used; any thread may ask."""
        self._usable.set_function(lambda: float(usable()))

    def set_validity(self, use: CertificateUse, validity: Validity | None) -> None:
        """Tell when a certificate in use is valid; None is not known."""
        not_before = validity.not_before if validity else math.nan
        not_after = validity.not_after if validity else math.nan
        self._not_before.labels(use.value).set(not_before)
        self._not_after.labels(use.value).set(not_after)

    def count_reload(self, result: Reload) -> None:
        """Count files that were replaced."""
        self._reloads[result].inc()

    def count_handshake(self) -> None:
        """Count a handshake that begins."""
        self._handshakes.inc()

    def note_call(self, peer: str) -> None:
        """Count the connection of a call if this is its first.

        Args:
            peer: The caller's address, as gRPC has it.
        """
        if peer in self._peers:
            self._peers.move_to_end(peer)
            return
        self._peers[peer] = None
        if len(self._peers) > KNOWN_PEERS:
            self._peers.popitem(last=False)
        self._connections.inc()
