import asyncio
import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def prompt_interrupts() -> Iterator[None]:
    """Make Ctrl-C cancel the coroutine of asyncio's Runner without delay.

    The Runner's own handler cancels the coroutine too. But a signal that arrives just before
    the loop blocks in its selector takes effect only at the loop's next event, which never
    comes while the model is silent. A handler of the loop wakes the selector.
    """
    loop = asyncio.get_running_loop()
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # the process was started with SIGINT ignored
        yield
        return
    try:
        loop.add_signal_handler(signal.SIGINT, handler, signal.SIGINT, None)
    except NotImplementedError:  # Windows, where signals wake the loop by default
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
