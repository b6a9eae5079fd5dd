"""Silences the log of gRPC's C core."""

import os
from typing import Final

VARIABLES: Final = ("GRPC_VERBOSITY", "GRPC_TRACE")
SILENT: Final = "NONE"


def silence_grpc_core() -> list[str]:
    """Prevent gRPC's C core from logging to stderr; call this before gRPC is imported.

    The C core writes to stderr directly, blocks on a slow reader, and logs metadata in traces.

    Returns:
        The variables that enabled logging and were removed from the environment.
    """
    removed = [name for name in VARIABLES if os.environ.get(name, SILENT).upper() != SILENT]
    for name in removed:
        del os.environ[name]
    os.environ["GRPC_VERBOSITY"] = SILENT
    return removed
