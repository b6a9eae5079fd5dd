"""Hides environment variables from packages that read them when they are imported."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

HIDDEN: Final = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "OLLAMA_HOST"})
"""Variables for HTTP clients. Clients that packages create at import are never used, and some
values raise exceptions."""


@contextmanager
def hidden_variables() -> Iterator[None]:
    """Remove HIDDEN and the proxy variables from the environment within the block."""
    names = [name for name in os.environ if name in HIDDEN or name.lower().endswith("_proxy")]
    values = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(values)
