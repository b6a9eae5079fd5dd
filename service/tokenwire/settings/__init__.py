"""The only reader of environment variables and mounted files."""

from tokenwire.settings.fields import Settings, variables
from tokenwire.settings.grpc_core import silence_grpc_core
from tokenwire.settings.problems import SettingsError, cannot_listen, cannot_trace
from tokenwire.settings.reading import load, unknown_variables

__all__ = [
    "Settings",
    "SettingsError",
    "cannot_listen",
    "cannot_trace",
    "load",
    "silence_grpc_core",
    "unknown_variables",
    "variables",
]
