"""The only reader of environment variables and mounted files."""

from tokenwire.settings.fields import Settings, variables
from tokenwire.settings.problems import SettingsError, cannot_listen
from tokenwire.settings.reading import load, unknown_variables

__all__ = ["Settings", "SettingsError", "cannot_listen", "load", "unknown_variables", "variables"]
