"""The parts of an exception that are logged: its type and frames.

Its text and local values are not, because both may contain a prompt.
"""

from typing import Any, Final

MAX_FRAMES: Final = 40
"""The most stack frames logged for one exception; infinite recursion has a thousand."""


def exception_fields(exc_info: Any) -> dict[str, Any]:
    """Return the fields of a log line for the `exc_info` of a record; nothing without an exception.

    The fields are `exception`, the type's name, and `frames`; see `frames_of`.
    """
    error = exc_info[1] if isinstance(exc_info, tuple) else None
    if not isinstance(error, BaseException):
        return {}
    return {"exception": type(error).__qualname__, "frames": frames_of(error)}


def frames_of(error: BaseException) -> list[str]:
    """Return the stack frames of an exception, outermost first, as `FILE:LINE FUNCTION`."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
        trace = trace.tb_next
    if len(frames) > MAX_FRAMES:
        frames[MAX_FRAMES // 2 : -MAX_FRAMES // 2] = ["..."]
    return frames
