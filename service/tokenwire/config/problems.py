"""What an operator is told of settings that are missing or wrong."""

import os
import re
from typing import Final

SHOWN_CHARACTERS: Final = 100

USER_INFO: Final = re.compile(r"^([^/@]*//)?.*@", re.DOTALL)
"""Up to the last `@`: a password that is not encoded may hold any character."""
QUERY: Final = re.compile(r"(//[^?\s]*\?).*", re.DOTALL)


class SettingsError(Exception):
    """A setting is missing or wrong.

    Attributes:
        problems: One line for each: which variable, which value, what is allowed.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def cannot_listen(variable: str, address: str) -> SettingsError:
    """Return the error of an address that is taken, or not one of this machine."""
    return SettingsError([f"{variable}={address}: cannot listen there; is the port in use?"])


def cannot_trace(error: Exception) -> SettingsError:
    """Return the error of a value that the OpenTelemetry SDK does not accept."""
    # Its texts name the value, which may be a key, more often than the variable.
    names = sorted(name for name in os.environ if name.startswith("OTEL_"))
    kind = type(error).__qualname__
    problem = f"{', '.join(names)}: the OpenTelemetry SDK does not accept one of them: {kind}"
    return SettingsError([problem])


def shown(value: object) -> str:
    """Return `value` on one short line, without the credentials that a URL may hold."""
    text = QUERY.sub(r"\1***", USER_INFO.sub(r"\1***@", str(value)))
    if len(text) > SHOWN_CHARACTERS:
        text = f"{text[:SHOWN_CHARACTERS]}..."
    return text if text.isprintable() and text == text.strip() else repr(text)
