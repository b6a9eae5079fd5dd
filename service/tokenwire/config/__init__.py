"""Reads settings; the only package that reads environment variables and mounted files."""

from tokenwire.config.fields import Settings, variables
from tokenwire.config.grpc_core import silence_grpc_core
from tokenwire.config.problems import SettingsError, cannot_listen, cannot_trace, cannot_write
from tokenwire.config.reading import load, unknown_variables

__all__ = [
    "Settings",
    "SettingsError",
    "cannot_listen",
    "cannot_trace",
    "cannot_write",
    "load",
    "silence_grpc_core",
    "unknown_variables",
    "variables",
]
