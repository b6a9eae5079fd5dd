"""Settings from a folder of files, as Kubernetes mounts secrets and config maps."""

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
    """The files of the folder that TOKENWIRE_SECRETS_DIR names.

    pydantic-settings has such a source too. It lets through what unreadable
    files raise, and skips links that lead out of the folder.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Do nothing; `__call__` reads all fields at once."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values by their names.

        Raises:
            SettingsError: The folder or a file cannot be read.
        """
        folder = os.environ.get(SECRETS_DIR)
        if not folder:
            return {}
        fields = self.settings_cls.model_fields.values()
        names = [name for field in fields for name in names_of(field)]
        values, problems = _read(Path(folder), names)
        if problems:
            raise SettingsError([f"{SECRETS_DIR}={problem}" for problem in problems])
        return values


def names_of(field: FieldInfo) -> tuple[str, ...]:
    """Return the names of a field outside, the strongest first."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(map(str, alias.choices))
    return (str(alias),)


def _read(folder: Path, names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Read the files of these names that exist; an empty one counts as none.

    Returns:
        The files' texts by name, without white space around them, and a line
        for each file that cannot be read, with nothing of its content.
    """
    if not folder.is_dir():
        return {}, [f"{folder}: must be a directory"]
    texts: dict[str, str] = {}
    problems: list[str] = []
    for name in names:
        path = folder / name
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
