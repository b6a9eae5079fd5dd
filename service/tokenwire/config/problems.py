"""The error messages for missing and invalid settings."""

import os
import re
from pathlib import Path
from typing import Final

MAX_VALUE_CHARACTERS: Final = 100
"""Longer values are truncated in messages."""

USER_INFO: Final = re.compile(r"^([^/@]*//)?.*@", re.DOTALL)
"""Matches up to the last `@`, because an unencoded password may contain any character."""
QUERY: Final = re.compile(r"(//[^?\s]*\?).*", re.DOTALL)


class SettingsError(Exception):
    """A setting is missing or invalid.

    Attributes:
        problems: One line per setting: the variable, its value and what is allowed.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def cannot_listen(variable: str, address: str) -> SettingsError:
    """Return the error for an address that is in use or not an address of this machine."""
    return SettingsError([f"{variable}={address}: cannot listen there; is the port in use?"])


def cannot_write(variable: str, path: Path, error: OSError) -> SettingsError:
    """Return the error for a file that cannot be written."""
    return SettingsError([f"{variable}={shown(path)}: cannot be written: {error.strerror}"])


def cannot_trace(error: Exception) -> SettingsError:
    """Return the error for a value that the OpenTelemetry SDK rejects."""
    # The SDK's message is omitted: it may quote the value, which may be a key, and rarely names
    # the variable.
    names = sorted(name for name in os.environ if name.startswith("OTEL_"))
    kind = type(error).__qualname__
    problem = f"{', '.join(names)}: the OpenTelemetry SDK does not accept one of them: {kind}"
    return SettingsError([problem])


def shown(value: object) -> str:
    """Return `value` as one short line, without the credentials and the query of a URL."""
    text = QUERY.sub(r"\1***", USER_INFO.sub(r"\1***@", str(value)))
    if len(text) > MAX_VALUE_CHARACTERS:
        text = f"{text[:MAX_VALUE_CHARACTERS]}..."
    return text if text.isprintable() and text == text.strip() else repr(text)
