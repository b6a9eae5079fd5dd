"""The limit of open file descriptors (RLIMIT_NOFILE)."""

import logging
import resource
from contextlib import suppress
from typing import Final

DESCRIPTORS_PER_STREAM: Final = 2
"""The caller's connection and the upstream's connection."""
BASE_DESCRIPTORS: Final = 100
"""The descriptors of an idle process, with a margin for health checks and scrapes."""

log = logging.getLogger(__name__)


def raise_limit(max_streams: int) -> None:
    """Raise the soft limit to the hard limit, and warn if it is too low for `max_streams`."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Fails if the kernel's fs.nr_open is lower than the hard limit.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = DESCRIPTORS_PER_STREAM * max_streams + BASE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        log.warning(
            "the limit of open files (RLIMIT_NOFILE) is too low for TOKENWIRE_MAX_STREAMS",
            extra={"open_files_limit": soft, "needed": needed, "max_streams": max_streams},
        )
