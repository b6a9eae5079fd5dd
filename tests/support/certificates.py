"""Certificates for tests of TLS, in files like those that Kubernetes mounts."""

import datetime as dt
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import grpc
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tokenwire.app import App
from tokenwire.config import variables
from tokenwire_client import ChatError, Client

HOST: Final = "127.0.0.1"
ANSWER: Final = "This is tokenwire's built-in demo model"


class Pair:
    """A certificate and its key, in PEM.

    Args:
        ca: The root authority; a new one by default.
        name: A host name or an address.
        not_after: The time of expiry; many years from now by default.

    Attributes:
        authority: The certificate of the root authority.
        certificate: The certificate with its intermediate authorities, without the root.
        key: The key, not encrypted.
    """

    def __init__(
        self,
        ca: trustme.CA | None = None,
        name: str = HOST,
        not_after: dt.datetime | None = None,
    ) -> None:
        root = ca or trustme.CA()
        leaf = root.create_child_ca().issue_cert(name, not_after=not_after)
        self.authority = root.cert_pem.bytes()
        self.certificate = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        self.key = leaf.private_key_pem.bytes()


@dataclass(frozen=True)
class ClientCertificate:
    """A client certificate and its key, in PEM."""

    certificate: bytes
    key: bytes


def client_certificate(
    ca: trustme.CA, *names: x509.GeneralName, common_name: str = "client"
) -> ClientCertificate:
    """Return a client certificate with any names, also those that no authority would sign."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    issuer_key = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(issuer_key, hashes.SHA256())
    return ClientCertificate(
        made.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


class Mount:
    """A folder of files behind symbolic links, all replaced at once, as the kubelet does.

    Args:
        folder: The existing folder of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions: Iterator[int] = itertools.count()
        (folder / "..data").symlink_to("..nothing")

    def put(self, pair: Pair, client_ca: bytes | None = None) -> Self:
        """Replace all files by those of `pair` and `client_ca`."""
        files = {"tls.crt": pair.certificate, "tls.key": pair.key}
        if client_ca is not None:
            files["ca.crt"] = client_ca
        return self.put_files(files)

    def put_files(self, files: dict[str, bytes]) -> Self:
        """Replace all files by `files`."""
        version = self._folder / f"..version_{next(self._versions)}"
        version.mkdir()
        for name, content in files.items():
            (version / name).write_bytes(content)
            if not (self._folder / name).is_symlink():
                (self._folder / name).symlink_to(Path("..data") / name)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self._folder / "..data")
        return self

    def __getitem__(self, name: str) -> Path:
        """Return the path of a file."""
        return self._folder / name

    @property
    def settings(self) -> dict[str, Path]:
        """The settings of a server that uses these files, by field."""
        fields = {"tls_certificate_file": "tls.crt", "tls_key_file": "tls.key"}
        if self["ca.crt"].exists():
            fields["tls_client_ca_file"] = "ca.crt"
        return {field: self[name] for field, name in fields.items()}

    @property
    def environment(self) -> dict[str, str]:
        """The same settings, by environment variable."""
        return {variables(field)[0]: str(path) for field, path in self.settings.items()}


def mounted(folder: Path, pair: Pair) -> Mount:
    """Make a folder with the files of `pair`."""
    folder.mkdir()
    return Mount(folder).put(pair)


def caller(address: str, authority: bytes | None, shown: Pair | None = None) -> Client:
    """Return a client with its own connection.

    Args:
        address: The address of the server.
        authority: The authority that the client trusts; None means plaintext.
        shown: The client's certificate, if any.
    """
    pair = (shown.key, shown.certificate) if shown else (None, None)
    return Client(
        address,
        credentials=grpc.ssl_channel_credentials(authority, *pair) if authority else None,
        max_attempts=1,
        options=[("grpc.use_local_subchannel_pool", 1)],
    )


async def answer_of(client: Client) -> str:
    """Return the answer to one call on a new connection."""
    async with client:
        return "".join([answer.content async for answer in client.send("hello", timeout=30)])


async def serves(app: App, pair: Pair, shown: Pair | None = None) -> bool:
    """Report whether the server uses this certificate on a new connection."""
    try:
        text = await answer_of(caller(app.address, pair.authority, shown))
    except ChatError:
        return False
    assert text.startswith(ANSWER)
    return True
