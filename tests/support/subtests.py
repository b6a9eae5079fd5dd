"""Subtests that end with their test."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class EndingSubtests:
    """Reports each row that fails and goes on with the next, but not once the test has to end.

    pytest's own subtests hold back every exception. A test that hangs would then go on after
    its time limit, which strikes once, and the next row could hang for ever.

    Args:
        subtests: pytest's own.
    """

    def __init__(self, subtests: pytest.Subtests) -> None:
        self._subtests = subtests

    @contextmanager
    def test(self, msg: str | None = None, **row: object) -> Iterator[None]:
        """Run the block as the subtest of this row."""
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
