"""TLS of the gRPC port, with certificates that may be replaced while the server runs."""

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
from tokenwire.config.regular_files import read_regular
from tokenwire.observability.certificate_validity import validity_of_authorities, validity_of_server
from tokenwire.observability.metrics.labels import CertificateUse, ReloadResult
from tokenwire.observability.metrics.tls import TlsMetrics

log = logging.getLogger(__name__)

CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
KEY: Final = b"PRIVATE KEY-----"
ENCRYPTED: Final = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")
OF_ANOTHER: Final = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
"""OpenSSL's reasons for a key that is not the certificate's; the last: of another algorithm."""
MOST_READS: Final = 5
"""Files that change while they are read are read again, so often at most."""
READ_AGAIN_SECONDS: Final = 60.0
"""After how long files that could not be used are read again, also if they are the same."""

Identity: TypeAlias = tuple[tuple[int, ...] | None, ...]


def server_credentials(
    settings: Settings, metrics: Callable[[], TlsMetrics]
) -> grpc.ServerCredentials | None:
    """Return credentials for the gRPC port that follow the files; None for plaintext.

    Args:
        settings: Name the files.
        metrics: Returns the metrics of TLS; called only if there is TLS.

    Raises:
        SettingsError: A file is missing, broken or does not fit the others.
    """
    if settings.tls_certificate_file is None:
        return None
    files = TlsFiles(settings, metrics())
    return grpc.dynamic_ssl_server_credentials(
        files.load(),
        files.on_handshake,  # type: ignore[arg-type] # None keeps what is there
        require_client_authentication=settings.tls_client_ca_file is not None,
    )


class TlsFiles:
    """The certificate, its key and the authority of callers, as the settings name them.

    Whether others have taken their place is looked at before each handshake and whenever the
    metrics are read: with callers who stay connected, broken files are known before they end.

    Args:
        settings: With TLS.
        metrics: Told of handshakes, replaced files and the certificates in use.
    """

    def __init__(self, settings: Settings, metrics: TlsMetrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._usable = True
        self._fresh: grpc.ServerCertificateConfiguration | None = None
        self._paths: dict[str, Path] = {
            variables(field)[0]: path
            for field in ("tls_certificate_file", "tls_key_file", "tls_client_ca_file")
            if (path := getattr(settings, field))
        }
        self._seen: Identity = ()
        self._read_again = math.inf
        metrics.watch_files(self.usable)

    def load(self) -> grpc.ServerCertificateConfiguration:
        """Read the files.

        Raises:
            SettingsError: A file is missing, broken or does not fit the others.
        """
        for _ in range(MOST_READS):
            self._seen = self._identity()
            pems, pair, problems = self._read()
            # Otherwise one may be of the old pair and the other of the new.
            if self._identity() == self._seen:
                break
        if problems:
            raise SettingsError(problems)
        certificate, key, *client_ca = pems
        self._tell_validity(pair, certificate, *client_ca)
        return grpc.ssl_server_certificate_configuration([(key, certificate)], *client_ca)

    def on_handshake(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what the files hold if others are there now; None keeps what is in use.

        gRPC calls this before each handshake, one at a time, in threads of its own.
        """
        self._metrics.count_handshake()
        with self._lock:
            self._load_if_changed()
            configuration, self._fresh = self._fresh, None
        return configuration

    def usable(self) -> bool:
        """Tell whether the files can be used as they are now; any thread may call this."""
        with self._lock:
            self._load_if_changed()
            return self._usable

    def _load_if_changed(self) -> None:
        """Read the files if others are there now, and keep them for the next handshake."""
        if self._identity() == self._seen and time.monotonic() < self._read_again:
            return
        try:
            self._fresh = self.load()
        except SettingsError as error:
            self._usable = False
            # They may be fine, and descriptors or memory to read them have run out.
            self._read_again = time.monotonic() + READ_AGAIN_SECONDS
            self._metrics.count_reload(ReloadResult.ERROR)
            extra = {"problems": error.problems}
            log.warning("new certificate cannot be used, the old one stays", extra=extra)
            return
        self._usable = True
        self._read_again = math.inf
        self._metrics.count_reload(ReloadResult.OK)
        log.info("new certificate in use")

    def _tell_validity(self, pair: ssl.SSLContext, certificate: bytes, *client_ca: bytes) -> None:
        self._metrics.set_validity(
            CertificateUse.SERVER, validity_of_server(pair, _text(certificate))
        )
        for authorities in client_ca:
            self._metrics.set_validity(
                CertificateUse.CLIENT_CA, validity_of_authorities(_text(authorities))
            )

    def _identity(self) -> Identity:
        """Tell these files from those that may take their place, behind links too."""
        return tuple(_identity(path) for path in self._paths.values())

    def _read(self) -> tuple[list[bytes], ssl.SSLContext, list[str]]:
        """Return what the files hold, the pair, and a line for each one that cannot be used."""
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
            if problem := _problem_of_key(pems[name]) if is_key else _problem_of(pems[name]):
                problems[name] = problem
        if not problems:
            problems |= self._load(pair)
        told = [
            f"{name}={shown(self._paths[name])}: {problem}" for name, problem in problems.items()
        ]
        return list(pems.values()), pair, told

    def _load(self, pair: ssl.SSLContext) -> dict[str, str]:
        """Load the certificate and its key; return what is wrong, by the name of the culprit."""
        (certificate, certificate_file), (key, key_file), *_ = self._paths.items()
        try:
            # With a passphrase OpenSSL would not ask the terminal for one.
            pair.load_cert_chain(certificate_file, key_file, password="")
        except ssl.SSLError as error:
            if error.reason in OF_ANOTHER:
                return {key: f"is not the key of the certificate in {certificate}"}
            if error.reason:
                reason = error.reason.lower().replace("_", " ")
                return {certificate: f"cannot be used: {reason}"}
            return {key: "the private key in it is damaged"}
        except OSError as error:
            return {key: f"cannot be read: {error.strerror}"}
        return {}


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _problem_of(pem: bytes) -> str | None:
    if CERTIFICATE not in pem:
        return f"must hold a certificate in PEM, which begins with {CERTIFICATE.decode()}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=_text(pem))
    except ssl.SSLError:
        return "a certificate in it is damaged"
    return None


def _text(pem: bytes) -> str:
    """Return the text of PEM; what stands around it may be in any alphabet."""
    return pem.decode("ascii", "ignore")


def _problem_of_key(pem: bytes) -> str | None:
    if KEY not in pem:
        return "must hold a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----"
    if any(mark in pem for mark in ENCRYPTED):
        return "must not be encrypted, as nobody is there to type the passphrase"
    return None
