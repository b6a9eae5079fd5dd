"""The standard streams of a command, whatever state they are in."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130

STDIN, STDOUT, STDERR = range(3)
UNWRITABLE: Final = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)


def run(command: Callable[[], int]) -> int:
    """Run a command to its end and return its exit code.

    An interrupt is exit code 130. A reader of stdout that leaves, as `head` does, ends the
    command quietly; an output that takes no more ends it with one line.
    """
    _open_closed_streams()
    # While modules load there is nothing to clean up.
    _forbid_interrupts()
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()
            _forbid_interrupts()
    except KeyboardInterrupt:
        _forbid_interrupts()
        return EXIT_INTERRUPTED
    except OSError as error:
        if error.errno not in {errno.EPIPE, *UNWRITABLE}:
            raise
        discard_stdout()
        if error.errno != errno.EPIPE:
            print(f"error: cannot write the output: {error.strerror}", file=sys.stderr)
        return EXIT_FAILED


def allow_interrupts() -> None:
    """Let Ctrl-C raise KeyboardInterrupt from now on; call it once all modules are loaded."""
    if signal.getsignal(signal.SIGINT) is _exit_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _forbid_interrupts() -> None:
    """Let Ctrl-C end the process without a traceback while Python takes itself down."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit_at_once)


def discard_stdout() -> None:
    """Send what is still buffered for stdout nowhere: Python flushes it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_at_once(_number: int, _frame: FrameType | None) -> None:
    os._exit(EXIT_INTERRUPTED)


def _open_closed_streams() -> None:
    """Open the standard streams that are closed on the null device.

    A file or connection that is opened later would otherwise take their descriptors, and what
    is printed would go there.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        # So that programs that are started have them too.
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - the function takes no keyword
    os.close(descriptor)
    # Python has None for those that were closed.
    sys.stdin = sys.stdin or os.fdopen(STDIN, encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(STDOUT, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(STDERR, "w", encoding="utf-8")
