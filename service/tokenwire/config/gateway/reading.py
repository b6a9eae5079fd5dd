"""Reads and validates the gateway file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from tokenwire.config.fields import Settings
from tokenwire.config.gateway.checks import check, check_files
from tokenwire.config.gateway.model import GatewayFile
from tokenwire.config.gateway.problems import problem_of, settings_error
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
    """

    path: Path
    file: GatewayFile
    named_files: tuple[Path, ...]
    secrets: Mapping[str, str] = field(repr=False)


def load_gateway(path: Path) -> LoadedGateway:
    """Read the gateway file and check all that it says, and that the files it names can be read.

    Raises:
        SettingsError: It is missing or invalid. Each problem is one line: FILE:LINE, the key, its
            value, and what is allowed.
    """
    try:
        text = read_regular(path, MAX_FILE_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: must be text in UTF-8"]) from None
    try:
        tree = parse(text)
    except GatewayYamlError as problem:
        raise SettingsError([f"{path}:{problem.line}: {problem.description}"]) from None
    try:
        file = GatewayFile.model_validate(tree.value)
    except ValidationError as error:
        found = [problem_of(details) for details in error.errors(include_url=False)]
        raise settings_error(path, tree, found) from None
    secrets: dict[str, str] = {}
    problems = [*check(file), *check_files(file, path.parent, secrets)]
    if problems:
        raise settings_error(path, tree, problems)
    return LoadedGateway(path, file, tuple(_named_files(file, path.parent)), secrets)


def _named_files(file: GatewayFile, directory: Path) -> Iterator[Path]:
    for upstream in file.upstreams.values():
        for reference in (*upstream.keys, *filter(is_reference, upstream.headers.values())):
            named = file_of(reference, directory)
            if named:
                yield named
        if upstream.ca_file:
            yield directory / upstream.ca_file


def default_model(settings: Settings) -> str:
    """Return the model of requests that name none, by the gateway file if the settings name one.

    Raises:
        SettingsError: See `load_gateway`.
    """
    if settings.config is None:
        return settings.model
    return load_gateway(settings.config).file.model_of_requests_without_one
