"""TLS of the gRPC port. Certificates are reloaded while the server runs."""

import logging
import math
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import grpc

from tokenwire.config import Settings, SettingsError, variables
from tokenwire.config.problems import shown
from tokenwire.config.regular_files import Identity, identity_of, read_regular
from tokenwire.observability.certificate_validity import validity_of_authorities, validity_of_server
from tokenwire.observability.metrics.labels import CertificateUse, ReloadResult
from tokenwire.observability.metrics.tls import TlsMetrics

log = logging.getLogger(__name__)

CERTIFICATE_MARK: Final = b"-----BEGIN CERTIFICATE-----"
KEY_MARK: Final = b"PRIVATE KEY-----"
ENCRYPTED_MARKS: Final = (
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
    b"Proc-Type: 4,ENCRYPTED",
)
KEY_MISMATCHES: Final = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
"""OpenSSL's reasons for a key that does not match the certificate. The last one stands for a key of
another algorithm."""
MAX_READS: Final = 5
"""The most attempts to read files that change while they are read."""
RETRY_SECONDS: Final = 60.0
"""The interval at which unusable files are read again even if they have not changed."""

Identities: TypeAlias = tuple[Identity, ...]


def server_credentials(
    settings: Settings, metrics: Callable[[], TlsMetrics]
) -> grpc.ServerCredentials | None:
    """Return the credentials of the gRPC port, which reload changed files; None for plaintext.

    Args:
        settings: The settings that name the files.
        metrics: Returns the TLS metrics; called only if TLS is enabled.

    Raises:
        SettingsError: A file is missing, invalid or does not match the others.
    """
    if settings.tls_certificate_file is None:
        return None
    files = TlsFiles(settings, metrics())
    return grpc.dynamic_ssl_server_credentials(
        files.load(),
        files.on_handshake,  # type: ignore[arg-type] # None keeps the current configuration
        require_client_authentication=settings.tls_client_ca_file is not None,
    )


class TlsFiles:
    """The certificate, its key and the CA of client certificates, as named in the settings.

    Changes of the files are detected before each handshake and at each scrape of the metrics.
    With long-lived connections the scrape shows unusable files before the next handshake fails.

    Args:
        settings: Settings in which TLS is enabled.
        metrics: Records handshakes, reloads and the validity of certificates.
    """

    def __init__(self, settings: Settings, metrics: TlsMetrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._usable = True
        self._pending: grpc.ServerCertificateConfiguration | None = None
        self._paths: dict[str, Path] = {
            variables(field)[0]: path
            for field in ("tls_certificate_file", "tls_key_file", "tls_client_ca_file")
            if (path := getattr(settings, field))
        }
        self._seen: Identities = ()
        self._retry_at = math.inf
        metrics.watch_files(self.usable)

    def load(self) -> grpc.ServerCertificateConfiguration:
        """Read the files.

        Raises:
            SettingsError: A file is missing, invalid or does not match the others.
        """
        for _ in range(MAX_READS):
            self._seen = self._identities()
            pems, pair, problems = self._read()
            # Otherwise the certificate and the key may belong to different pairs.
            if self._identities() == self._seen:
                break
        if problems:
            raise SettingsError(problems)
        certificate, key, *client_ca = pems
        self._report_validity(pair, certificate, *client_ca)
        return grpc.ssl_server_certificate_configuration([(key, certificate)], *client_ca)

    def on_handshake(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the new configuration if the files have changed; None keeps the current one.

        gRPC calls this before each handshake in its own threads, one call at a time.
        """
        self._metrics.count_handshake()
        with self._lock:
            self._load_if_changed()
            configuration, self._pending = self._pending, None
        return configuration

    def usable(self) -> bool:
        """Report whether the files are usable in their current state. Thread-safe."""
        with self._lock:
            self._load_if_changed()
            return self._usable

    def _load_if_changed(self) -> None:
        """Read the files if they have changed, for the next handshake."""
        if self._identities() == self._seen and time.monotonic() < self._retry_at:
            return
        try:
            self._pending = self.load()
        except SettingsError as error:
            self._usable = False
            # The files may be valid, and reading them failed for lack of descriptors or memory.
            self._retry_at = time.monotonic() + RETRY_SECONDS
            self._metrics.count_reload(ReloadResult.ERROR)
            extra = {"problems": error.problems}
            log.warning("new certificate cannot be used, the old one stays", extra=extra)
            return
        self._usable = True
        self._retry_at = math.inf
        self._metrics.count_reload(ReloadResult.OK)
        log.info("new certificate in use")

    def _report_validity(self, pair: ssl.SSLContext, certificate: bytes, *client_ca: bytes) -> None:
        self._metrics.set_validity(
            CertificateUse.SERVER, validity_of_server(pair, _text(certificate))
        )
        for authorities in client_ca:
            self._metrics.set_validity(
                CertificateUse.CLIENT_CA, validity_of_authorities(_text(authorities))
            )

    def _identities(self) -> Identities:
        """Return a value that changes when a file is replaced, also behind symbolic links."""
        return tuple(identity_of(path) for path in self._paths.values())

    def _read(self) -> tuple[list[bytes], ssl.SSLContext, list[str]]:
        """Return the files' contents, the loaded pair, and a message for each unusable file."""
        pair = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pems: dict[str, bytes] = {}
        problems: dict[str, str] = {}
        for name, path in self._paths.items():
            try:
                pems[name] = read_regular(path)
            except OSError as error:
                problems[name] = f"cannot be read: {error.strerror}"
                continue
            is_key = name == variables("tls_key_file")[0]
            if problem := _key_problem(pems[name]) if is_key else _certificate_problem(pems[name]):
                problems[name] = problem
        if not problems:
            problems |= self._load(pair)
        messages = [
            f"{name}={shown(self._paths[name])}: {problem}" for name, problem in problems.items()
        ]
        return list(pems.values()), pair, messages

    def _load(self, pair: ssl.SSLContext) -> dict[str, str]:
        """Load the certificate and its key into `pair`; return problems by setting name."""
        (certificate, certificate_file), (key, key_file), *_ = self._paths.items()
        try:
            # A password, even an empty one, keeps OpenSSL from prompting on the terminal.
            pair.load_cert_chain(certificate_file, key_file, password="")
        except ssl.SSLError as error:
            if error.reason in KEY_MISMATCHES:
                return {key: f"is not the key of the certificate in {certificate}"}
            if error.reason:
                reason = error.reason.lower().replace("_", " ")
                return {certificate: f"cannot be used: {reason}"}
            return {key: "the private key in it is damaged"}
        except OSError as error:
            return {key: f"cannot be read: {error.strerror}"}
        return {}


def _certificate_problem(pem: bytes) -> str | None:
    if CERTIFICATE_MARK not in pem:
        return f"must hold a certificate in PEM, which begins with {CERTIFICATE_MARK.decode()}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=_text(pem))
    except ssl.SSLError:
        return "a certificate in it is damaged"
    return None


def _text(pem: bytes) -> str:
    """Return PEM data as ASCII. Comments around the PEM blocks may contain other characters."""
    return pem.decode("ascii", "ignore")


def _key_problem(pem: bytes) -> str | None:
    if KEY_MARK not in pem:
        return "must hold a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----"
    if any(mark in pem for mark in ENCRYPTED_MARKS):
        return "must not be encrypted, because the server cannot ask for a passphrase"
    return None
