"""Runs a command with robust standard streams and interrupts."""

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
WRITE_ERRORS: Final = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)


def run(command: Callable[[], int]) -> int:
    """Run a command and return its exit code.

    An interrupt yields exit code 130. A closed pipe, as after `| head`, ends the command without
    a message; an output that cannot be written, such as a full disk, ends it with one line.
    """
    _open_closed_streams()
    # Safe while modules load, because there is nothing to clean up yet.
    _exit_on_interrupt()
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()
            _exit_on_interrupt()
    except KeyboardInterrupt:
        _exit_on_interrupt()
        return EXIT_INTERRUPTED
    except OSError as error:
        if error.errno not in {errno.EPIPE, *WRITE_ERRORS}:
            raise
        discard_stdout()
        if error.errno != errno.EPIPE:
            print(f"error: cannot write the output: {error.strerror}", file=sys.stderr)
        return EXIT_FAILED


def allow_interrupts() -> None:
    """Make Ctrl-C raise KeyboardInterrupt; call this once all modules are loaded."""
    if signal.getsignal(signal.SIGINT) is _exit_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit_on_interrupt() -> None:
    """Make Ctrl-C exit without a traceback, while Python starts up or shuts down."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit_at_once)


def discard_stdout() -> None:
    """Redirect stdout to the null device, because Python flushes its buffer again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_at_once(_number: int, _frame: FrameType | None) -> None:
    os._exit(EXIT_INTERRUPTED)


def _open_closed_streams() -> None:
    """Open closed standard streams on the null device.

    Otherwise a file or connection that is opened later would get the descriptor of a standard
    stream, and receive printed text.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        # Child processes need open standard streams too.
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - the function takes no keyword
    os.close(descriptor)
    # Python sets streams that were closed at its start to None.
    sys.stdin = sys.stdin or os.fdopen(STDIN, encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(STDOUT, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(STDERR, "w", encoding="utf-8")
