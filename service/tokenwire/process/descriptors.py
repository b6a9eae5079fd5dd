"""How many files, connections among them, this process may have open."""

import logging
import resource
from contextlib import suppress
from typing import Final

PER_STREAM: Final = 2
"""The caller's connection and the upstream's."""
AT_REST: Final = 100
"""What a process has open before any call, with room for health checks and scrapes."""

log = logging.getLogger(__name__)


def raise_limit(max_streams: int) -> None:
    """Raise the soft limit to the hard one; warn if so many streams do not fit below it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Refused where the kernel's own limit is lower than this one.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = PER_STREAM * max_streams + AT_REST
    if soft != resource.RLIM_INFINITY and soft < needed:
        log.warning(
            "the limit of open files (RLIMIT_NOFILE) is too low for TOKENWIRE_MAX_STREAMS",
            extra={"open_files_limit": soft, "needed": needed, "max_streams": max_streams},
        )
