"""Reads settings from files in a directory, such as mounted Kubernetes Secrets and ConfigMaps."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from tokenwire.config.problems import SettingsError
from tokenwire.config.regular_files import read_regular

SECRETS_DIR: Final = "TOKENWIRE_SECRETS_DIR"


class MountedFiles(PydanticBaseSettingsSource):
    """A settings source: the files in the directory that TOKENWIRE_SECRETS_DIR names.

    The secrets source of pydantic-settings is not used: it does not handle the exceptions of
    unreadable files, and it skips links that point outside the directory.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Do nothing; `__call__` reads all fields at once."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values by variable name.

        Raises:
            SettingsError: The directory or a file cannot be read.
        """
        directory = os.environ.get(SECRETS_DIR)
        if not directory:
            return {}
        fields = self.settings_cls.model_fields.values()
        names = [name for field in fields for name in names_of(field)]
        values, problems = _read(Path(directory), names)
        if problems:
            raise SettingsError([f"{SECRETS_DIR}={problem}" for problem in problems])
        return values


def names_of(field: FieldInfo) -> tuple[str, ...]:
    """Return the variable names of a field, in order of precedence."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(map(str, alias.choices))
    return (str(alias),)


def _read(directory: Path, names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Read the files with these names that exist and are not empty.

    Returns:
        The texts by name, without surrounding white space, and one line for each file that
        cannot be read, which does not quote the file's content.
    """
    if not directory.is_dir():
        return {}, [f"{directory}: must be a directory"]
    texts: dict[str, str] = {}
    problems: list[str] = []
    for name in names:
        path = directory / name
        try:
            text = read_regular(path).decode().strip()
        except FileNotFoundError:
            continue
        except OSError as error:
            problems.append(f"{path}: cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            problems.append(f"{path}: must be text in UTF-8")
        else:
            if text:
                texts[name] = text
    return texts, problems
