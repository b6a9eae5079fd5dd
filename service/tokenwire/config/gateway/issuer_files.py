"""Reads what the issuers of the gateway file name, and checks what they say together."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Final, TypeAlias

from tokenwire.config.gateway.authorities import AuthoritiesError, read_authorities
from tokenwire.config.gateway.issuers import IssuerSection, is_private
from tokenwire.config.gateway.model import GatewayFile
from tokenwire.config.gateway.secrets import SecretError, resolve
from tokenwire.config.gateway.yaml_tree import Path
from tokenwire.config.regular_files import read_regular
from tokenwire.core.public_keys import PublicKeys, PublicKeysError

Problem: TypeAlias = tuple[Path, object, str]
"""The place, the value to show or None, and what is wrong and allowed."""
NOT_FOUND_BY: Final = (
    "must be an https URL, or http on this host, because its keys are found by it; or set "
    "`jwks_url` or `jwks_file`"
)


@dataclass(frozen=True, slots=True)
class LoadedIssuer:
    """An issuer, with the content of what its section names.

    Attributes:
        section: The section.
        issuer: The claim `iss` of its tokens.
        token_file: The file with the token for its server; None without one.
        authorities: The certificate authorities of its server, as PEM; None for the system's.
        keys: Its keys, if they are in a file; None if they are fetched.
    """

    section: IssuerSection
    issuer: str
    token_file: FilePath | None = None
    authorities: str | None = None
    keys: PublicKeys | None = None


def files_of(section: IssuerSection) -> tuple[str, ...]:
    """Return the files that an issuer names."""
    named = (section.jwks_file, section.ca_file, section.token_file)
    return tuple(each for each in named if each is not None)


def load_issuers(
    file: GatewayFile, directory: FilePath, issuers: dict[str, LoadedIssuer]
) -> Iterator[Problem]:
    """Yield each problem of the issuers and of the files that they name.

    Args:
        file: The file.
        directory: Its directory, to which relative paths belong.
        issuers: Gets the issuers, by their names.
    """
    owners: dict[str, str] = {}
    for name, section in file.issuers.items():
        try:
            loaded = _load(section, directory)
        except _FileError as problem:
            yield ("issuers", name, problem.key), getattr(section, problem.key), str(problem)
            continue
        owner = owners.setdefault(loaded.issuer, name)
        if owner != name:
            yield ("issuers", name), None, f"is the same issuer as issuers.{owner}"
        elif _discovers(section) and not is_private(loaded.issuer):
            yield (
                ("issuers", name, "issuer"),
                loaded.issuer,
                NOT_FOUND_BY,
            )
        else:
            issuers[name] = loaded


def _discovers(section: IssuerSection) -> bool:
    return section.jwks_url is None and section.jwks_file is None


class _FileError(Exception):
    """What a key of the section names cannot be used."""

    def __init__(self, key: str, description: str) -> None:
        super().__init__(description)
        self.key = key


def _load(section: IssuerSection, directory: FilePath) -> LoadedIssuer:
    issuer = section.issuer
    if section.token_file:
        try:
            token = resolve(f"file:{section.token_file}", directory)
        except SecretError as problem:
            raise _FileError("token_file", str(problem)) from None
        if issuer is None:
            issuer = _issuer_of(token)
    assert issuer is not None  # noqa: S101 - the section has one of the two
    return LoadedIssuer(
        section,
        issuer,
        directory / section.token_file if section.token_file else None,
        _authorities(directory / section.ca_file) if section.ca_file else None,
        _keys(directory / section.jwks_file) if section.jwks_file else None,
    )


def _issuer_of(token: str) -> str:
    """Return the issuer of a token that the operator trusts; its signature is not verified."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        issuer = claims["iss"]
    except (ValueError, KeyError, TypeError, RecursionError):
        issuer = None
    if not isinstance(issuer, str) or not issuer:
        raise _FileError("token_file", "has no token with the claim `iss`; set `issuer`")
    return issuer


def _authorities(path: FilePath) -> str:
    try:
        return read_authorities(path)
    except AuthoritiesError as problem:
        raise _FileError("ca_file", str(problem)) from None


def _keys(path: FilePath) -> PublicKeys:
    try:
        return PublicKeys.parse(read_regular(path))
    except OSError as error:
        raise _FileError("jwks_file", f"cannot be read: {error.strerror}") from None
    except PublicKeysError as problem:
        raise _FileError("jwks_file", str(problem)) from None
