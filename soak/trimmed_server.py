"""`tokenwire` with a handler for SIGUSR2 that returns all free memory to the system.

glibc keeps freed memory in proportion to the peak usage. Without trimming, the resident memory
of an idle process would hide what it still uses.
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
