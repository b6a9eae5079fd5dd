"""`tokenwire`, which on SIGUSR2 gives back to the system all memory that is free.

glibc keeps freed memory for later, more of it the more was ever in use at once. What a
process holds at rest shows only without that.
"""

import ctypes
import gc
import signal

from tokenwire.__main__ import main


def _trim(*_: object) -> None:
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _trim)
    main()
