import asyncio
import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def prompt_interrupts() -> Iterator[None]:
    """Make Ctrl-C take effect at once in the coroutine that asyncio's Runner runs.

    The Runner's own handler cancels that coroutine, but a signal that comes in
    the moment before the loop goes to sleep would wait for the loop's next event:
    for a model that has fallen silent, for ever. Delivered through the loop, the
    signal is such an event.
    """
    loop = asyncio.get_running_loop()
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # started with SIGINT ignored, and so it stays
        yield
        return
    try:
        loop.add_signal_handler(signal.SIGINT, handler, signal.SIGINT, None)
    except NotImplementedError:  # Windows, whose loop wakes up for signals anyway
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
