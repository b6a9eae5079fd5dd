"""Reads the settings once, at startup."""

import difflib
import os
import re
from typing import Any, Final

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from tokenwire.config.fields import PREFIX, Settings, variables
from tokenwire.config.files import SECRETS_DIR, names_of
from tokenwire.config.problems import SettingsError, shown

SERVICE_LINK: Final = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_\w+)=.*|\w+_PORT=\w+://.*", re.DOTALL
)
"""The variables that Kubernetes sets in each pod of a namespace with a Service named tokenwire."""


def load(**overrides: Any) -> Settings:
    """Read the settings.

    Args:
        **overrides: Values by field name, which override the environment and files.

    Raises:
        KeyError: An override is not the name of a field.
        SettingsError: A setting is missing or invalid.
    """
    try:
        return Settings(**{variables(field)[0]: value for field, value in overrides.items()})
    except ValidationError as error:
        problems = [problem_of(Settings, details) for details in error.errors()]
        raise SettingsError(problems) from None


def unknown_variables() -> list[str]:
    """Return one line for each variable that begins with TOKENWIRE_ and is not a setting."""
    known = {SECRETS_DIR, *_all_variables()}
    lines = []
    for name, value in sorted(os.environ.items()):
        if name.startswith(PREFIX) and not (
            name in known or SERVICE_LINK.fullmatch(f"{name}={value}")
        ):
            similar = _similar_setting(name, known)
            lines.append(f"{name} is not a setting" + (f"; {similar} is" if similar else ""))
    return lines


def _all_variables() -> list[str]:
    return [name for field in Settings.model_fields for name in variables(field)]


def _similar_setting(name: str, known: set[str]) -> str | None:
    field = name.removeprefix(PREFIX).lower()
    if field in Settings.model_fields:
        return variables(field)[0]
    return next(iter(difflib.get_close_matches(name, known, 1)), None)


def problem_of(settings: type[BaseSettings], details: ErrorDetails) -> str:
    """Return the line for one error of a class of settings."""
    message = details["msg"]
    if not details["loc"]:
        return message
    if message[1:2].islower():
        message = message[0].lower() + message[1:]
    name = str(details["loc"][0])
    for field in settings.model_fields.values():
        names = names_of(field)
        if name in names:
            name = next((each for each in names if os.environ.get(each)), name)
            if field.annotation == SecretStr | None:
                return f"{name}: {message}"
    return f"{name}={shown(details['input'])}: {message}"
