"""The standard streams, which whoever starts a process may leave closed."""

import os
import sys
from typing import Final

STDERR: Final = 2


def open_closed_streams() -> None:
    """Open those that are closed on the null device; call this before anything else is opened.

    Otherwise a socket would get the number 2, and with it log lines.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - the function takes no keyword
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - open until the process ends
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the same
