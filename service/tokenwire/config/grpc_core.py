"""The variables of gRPC's C core that would make it write a log of its own."""

import os
from typing import Final

VARIABLES: Final = ("GRPC_VERBOSITY", "GRPC_TRACE")
SILENT: Final = "NONE"


def silence_grpc_core() -> list[str]:
    """Keep gRPC's C core from writing to stderr; call this before gRPC is imported.

    It writes there itself, waits for the reader, and its traces show metadata.

    Returns:
        The variables that ask for it, which have no effect.
    """
    asked = [name for name in VARIABLES if os.environ.get(name, SILENT).upper() != SILENT]
    for name in asked:
        del os.environ[name]
    os.environ["GRPC_VERBOSITY"] = SILENT
    return asked
