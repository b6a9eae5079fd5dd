"""Notices that the gateway file, or a file that it names, has changed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tokenwire.config.gateway.reading import GatewayFileError, LoadedGateway, load_gateway
from tokenwire.config.regular_files import Identity, identity_of

UNKNOWN: Final[Identity] = ()
"""The identity of a file that was read before its identity was known."""


class FileChanges:
    """The gateway file and the files that it names, which are read again when one has changed.

    The files are compared by what `stat` tells of what their links lead to, because the kubelet
    replaces the files of ConfigMaps and Secrets by other links. Not thread-safe, and each call may
    block as long as the file system does.

    Args:
        loaded: The content that is in use.
    """

    def __init__(self, loaded: LoadedGateway) -> None:
        self._path = loaded.path
        self._client_certificates = loaded.client_certificates
        self._last: LoadedGateway | list[str] = loaded
        """The content that was returned last, or the problems of the one that was refused."""
        self._identities: dict[Path, Identity] = {}
        # A file may have changed since it was read, so each is read once more.
        self._watch(loaded.named_files, {})

    def changed(self, *, at_once: bool = False) -> LoadedGateway | None:
        """Return the content if it is another one than the last one, which may have been refused.

        Args:
            at_once: Whether to read the files even if `stat` tells of no change.

        Raises:
            GatewayFileError: It is another one, and cannot be used.
        """
        seen = {path: identity_of(path) for path in self._identities}
        if not at_once and seen == self._identities:
            return None
        # The identities of files that are named for the first time are not known yet, so that they
        # are read once more: they may have changed between reading and `stat`.
        try:
            loaded = load_gateway(self._path, client_certificates=self._client_certificates)
        except GatewayFileError as error:
            self._watch(error.named_files or self._identities, seen)
            if error.problems == self._last and not at_once:
                return None
            self._last = error.problems
            raise
        self._watch(loaded.named_files, seen)
        if loaded == self._last:
            return None
        self._last = loaded
        return loaded

    def _watch(self, named: Iterable[Path], seen: dict[Path, Identity]) -> None:
        self._identities = {path: seen.get(path, UNKNOWN) for path in (self._path, *named)}
