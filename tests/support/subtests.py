"""Subtests that stop when their test must end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class EndingSubtests:
    """Reports each failed row and continues with the next one, unless the test must end.

    pytest's own subtests suppress every exception. A test that hangs would then continue after
    its timeout, which fires only once, and the next row could hang forever.

    Args:
        subtests: pytest's own subtests.
    """

    def __init__(self, subtests: pytest.Subtests) -> None:
        self._subtests = subtests

    @contextmanager
    def test(self, msg: str | None = None, **row: object) -> Iterator[None]:
        """Run the block as the subtest of a row."""
        end: BaseException | None = None
        with self._subtests.test(msg, **row):
            try:
                yield
            except (asyncio.CancelledError, pytest.fail.Exception) as error:
                if isinstance(error, asyncio.CancelledError) or "pytest-timeout" in str(error):
                    end = error
                raise
        if end is not None:
            raise end
