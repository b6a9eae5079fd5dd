"""Certificates in Secrets of a cluster, and those that its servers present."""

import hashlib
import ssl
from typing import Any, Final

import trustme

from support.certificates import Pair
from support.kube import Namespace
from support.kube_load import POD

PRESENTED: Final = (
    "import hashlib, ssl, sys; pem = ssl.get_server_certificate((sys.argv[1], 50051), timeout=5);"
    "print(hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest())"
)


def tls_secret(namespace: str, name: str, pair: Pair) -> dict[str, Any]:
    """Return a Secret of type `kubernetes.io/tls`, with the authority as `ca.crt`."""
    content = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": pair.authority}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {key: text.decode() for key, text in content.items()},
    }


def host(namespace: str, name: str) -> str:
    """Return the name of a Service in the cluster."""
    return f"{name}.{namespace}.svc"


def server_pair(ca: trustme.CA, namespace: str, name: str) -> Pair:
    """Return a certificate for a Service, which a client may present too."""
    return Pair(ca, host(namespace, name))


def fingerprint(pair: Pair) -> str:
    """Return the SHA-256 of the server's own certificate, without those of its authorities."""
    leaf = pair.certificate.decode().partition("-----END")[0] + "-----END CERTIFICATE-----\n"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf)).hexdigest()


def presented(namespace: Namespace, address: str) -> str:
    """Return the SHA-256 of the certificate that a server presents on a new connection.

    Args:
        namespace: The namespace of the clients' pod, which connects.
        address: The server's host, whose port is 50051.
    """
    return namespace.kubectl("exec", POD, "--", "python", "-c", PRESENTED, address).strip()
