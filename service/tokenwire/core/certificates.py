"""The names in client certificates, and the patterns by which callers are known."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

URI_MARK: Final = "://"
SPIFFE: Final = "spiffe://"
MAX_NAME_CHARACTERS: Final = 2_048
"""Of a name in a certificate; as SPIFFE allows."""
WITHIN_PATH: Final = "[!-.0-~]+"
"""What `*` stands for in a URI: printable ASCII without a slash."""
WITHIN_LABEL: Final = "[a-z0-9_-]+"
"""What `*` stands for in a DNS name: the characters of a label."""


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """The names in a certificate that the server has verified. Its common name is none of them.

    Attributes:
        uris: Its subject alternative names that are URIs.
        dns: Those that are DNS names.
    """

    uris: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()


class CertificatePattern:
    """A URI or a DNS name, in which `*` stands for a part of a segment or label.

    A URI is compared with URIs only, a DNS name with DNS names only.

    Args:
        text: A URI, which has `://`, or a DNS name.

    Attributes:
        text: The same.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._is_uri = URI_MARK in text
        self._is_spiffe = text.startswith(SPIFFE)
        text = text if self._is_uri else text.lower()
        part = WITHIN_PATH if self._is_uri else WITHIN_LABEL
        self._expression = re.compile(part.join(map(re.escape, text.split("*"))))

    def matches(self, names: CertificateNames) -> bool:
        """Report whether a name of the certificate matches.

        A SPIFFE ID counts only if it is the certificate's only URI, as its standard demands.
        """
        if self._is_uri:
            if self._is_spiffe and len(names.uris) != 1:
                return False
            return any(map(self._is_match, names.uris))
        return any(self._is_match(name.lower()) for name in names.dns)

    def _is_match(self, name: str) -> bool:
        return len(name) <= MAX_NAME_CHARACTERS and self._expression.fullmatch(name) is not None


class CertificateOwners:
    """Finds the names of callers by their certificates.

    Args:
        patterns: The patterns of each caller. The first caller that has a match counts.
    """

    MAX_KNOWN: Final = 1_024
    """The most certificates whose owner is remembered; there can be 32,000 patterns."""

    def __init__(self, patterns: Mapping[str, tuple[CertificatePattern, ...]]) -> None:
        self._patterns = {name: each for name, each in patterns.items() if each}
        self._known: dict[CertificateNames, str | None] = {}

    def __bool__(self) -> bool:
        """Report whether any caller has a pattern."""
        return bool(self._patterns)

    def owner(self, names: CertificateNames) -> str | None:
        """Return the name of the caller that a certificate belongs to; None if there is none."""
        if names not in self._known:
            if len(self._known) >= self.MAX_KNOWN:
                self._known.clear()
            self._known[names] = next(
                (
                    name
                    for name, patterns in self._patterns.items()
                    if any(pattern.matches(names) for pattern in patterns)
                ),
                None,
            )
        return self._known[names]
