"""Handlers that see the records of one logger for a while."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def attached(handler: logging.Handler, name: str) -> Iterator[None]:
    """Give a handler the records of a logger, from INFO on."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
