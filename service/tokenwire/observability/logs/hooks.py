"""Hooks that log what Python and libraries would otherwise print to stderr.

Python prints warnings, uncaught exceptions of threads and unraisable exceptions; libraries print
text of their own, such as gRPC's tracebacks. The hooks log where each came from, without its
text, and never block on stderr.
"""

import io
import logging
import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import Any, TextIO

from tokenwire.observability.logs.libraries import PYTHON_LOGGER

log = logging.getLogger(PYTHON_LOGGER)


def install() -> None:
    """Install the hooks for the rest of the process's life."""
    warnings.showwarning = _log_warning
    sys.excepthook = _log_end
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable
    if not isinstance(sys.stderr, _Stderr):
        sys.stderr = _Stderr(sys.stderr)


def uninstall_stderr() -> None:
    """Restore the original stderr, so that text printed to it appears again."""
    if isinstance(sys.stderr, _Stderr):
        sys.stderr = sys.stderr.original


def _log_warning(  # noqa: PLR0913, PLR0917 - as Python calls it
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    # The text is omitted, because some libraries, such as pydantic, quote values in it.
    del message, file, line
    extra = {"category": category.__qualname__, "where": f"{filename}:{lineno}"}
    log.warning("python warning", extra=extra)


def _log_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("exception ended the process", exc_info=(kind, error, trace))


def _log_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit:
        return
    name = args.thread.name if args.thread else None
    log.error(
        "exception ended a thread",
        exc_info=_exc_info(args.exc_type, args.exc_value, args.exc_traceback),
        extra={"ended_thread": name},
    )


def _log_unraisable(args: "sys.UnraisableHookArgs") -> None:
    log.error(
        "unraisable exception",
        exc_info=_exc_info(args.exc_type, args.exc_value, args.exc_traceback),
    )


def _exc_info(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> Any:
    return (kind, error or kind(), trace)


class _Stderr(io.TextIOBase):
    """Replaces stderr: logs where text was printed instead of printing it.

    Args:
        original: The stream that it replaces.
    """

    def __init__(self, original: TextIO) -> None:
        self.original = original

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.original.fileno()

    def write(self, text: str, /) -> int:
        if text.strip():
            log.warning("text for stderr withheld", extra={"where": _caller_location()})
        return len(text)


def _caller_location() -> str:
    frame = sys._getframe(2)  # noqa: SLF001 - public in all but its name
    while frame.f_code.co_filename == traceback.__file__ and frame.f_back:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
