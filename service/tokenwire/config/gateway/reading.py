"""Reads and validates the gateway file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from tokenwire.config.fields import Settings
from tokenwire.config.gateway.checks import check, check_certificates, check_files
from tokenwire.config.gateway.issuer_files import LoadedIssuer, files_of, load_issuers
from tokenwire.config.gateway.model import GatewayFile, UpstreamSection
from tokenwire.config.gateway.problems import described, problem_of
from tokenwire.config.gateway.secrets import file_of, is_reference
from tokenwire.config.gateway.yaml_tree import GatewayYamlError, parse
from tokenwire.config.problems import SettingsError
from tokenwire.config.regular_files import read_regular

MAX_FILE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class LoadedGateway:
    """A valid gateway file.

    Attributes:
        path: The file.
        file: Its content.
        named_files: The files that it names.
        secrets: The secrets, by their references.
        authorities: The contents of the files with certificate authorities, by their paths as
            they are written in the file.
        issuers: The issuers of tokens, by their names.
        client_certificates: Whether the server asks callers for certificates.
    """

    path: Path
    file: GatewayFile
    named_files: tuple[Path, ...]
    secrets: Mapping[str, str] = field(repr=False)
    authorities: Mapping[str, str] = field(repr=False)
    issuers: Mapping[str, LoadedIssuer] = field(repr=False)
    client_certificates: bool = True

    @property
    def store_url(self) -> str | None:
        """The URL of the store of limits, with its password; None if there is no store."""
        store = self.file.limits.store
        return store and self.secrets.get(store, store)

    def upstream(self, name: str) -> tuple[UpstreamSection | None, list[str]]:
        """Return the section of an upstream, and the content of what it names."""
        section = self.file.upstreams.get(name)
        if section is None:
            return None, []
        texts = [self.secrets[reference] for reference in _references(section)]
        return section, texts + [self.authorities[each] for each in _ca_files(section)]


class GatewayFileError(SettingsError):
    """The gateway file cannot be used.

    Attributes:
        named_files: The files that it names, as far as it could be read.
    """

    def __init__(self, problems: list[str], named_files: Iterable[Path] = ()) -> None:
        super().__init__(problems)
        self.named_files = tuple(named_files)


def load_gateway(path: Path, *, client_certificates: bool = True) -> LoadedGateway:
    """Read the gateway file and check all that it says, and that the files it names can be read.

    Args:
        path: The file.
        client_certificates: Whether the server asks callers for certificates, by which the file
            may know them; True if that is not known.

    Raises:
        GatewayFileError: It is missing or invalid. Each problem is one line: FILE:LINE, the key,
            its value, and what is allowed.
    """
    try:
        text = read_regular(path, MAX_FILE_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise GatewayFileError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise GatewayFileError([f"{path}: must be text in UTF-8"]) from None
    try:
        tree = parse(text)
    except GatewayYamlError as problem:
        raise GatewayFileError([f"{path}:{problem.line}: {problem.description}"]) from None
    try:
        file = GatewayFile.model_validate(tree.value)
    except ValidationError as error:
        found = [problem_of(details) for details in error.errors(include_url=False)]
        raise GatewayFileError(described(path, tree, found)) from None
    secrets: dict[str, str] = {}
    authorities: dict[str, str] = {}
    issuers: dict[str, LoadedIssuer] = {}
    named_files = tuple(_named_files(file, path.parent))
    problems = [
        *check(file),
        *check_files(file, path.parent, secrets, authorities),
        *load_issuers(file, path.parent, issuers),
    ]
    if not client_certificates:
        problems += check_certificates(file)
    if problems:
        raise GatewayFileError(described(path, tree, problems), named_files)
    return LoadedGateway(
        path, file, named_files, secrets, authorities, issuers, client_certificates
    )


def _named_files(file: GatewayFile, directory: Path) -> Iterator[Path]:
    store = file.limits.store and file_of(file.limits.store, directory)
    if store:
        yield store
    for upstream in file.upstreams.values():
        for reference in _references(upstream):
            named = file_of(reference, directory)
            if named:
                yield named
        for ca_file in _ca_files(upstream):
            yield directory / ca_file
    for issuer in file.issuers.values():
        for name in files_of(issuer):
            yield directory / name


def _references(upstream: UpstreamSection) -> tuple[str, ...]:
    return (*upstream.keys, *filter(is_reference, upstream.headers.values()))


def _ca_files(upstream: UpstreamSection) -> tuple[str, ...]:
    return (upstream.ca_file,) if upstream.ca_file else ()


def default_model(settings: Settings) -> str:
    """Return the model of requests that name none, by the gateway file if the settings name one.

    Raises:
        GatewayFileError: See `load_gateway`.
    """
    if settings.config is None:
        return settings.model
    asks = settings.tls_client_ca_file is not None
    loaded = load_gateway(settings.config, client_certificates=asks)
    return loaded.file.model_of_requests_without_one
