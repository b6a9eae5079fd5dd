"""Finds callers by the subjects of their tokens."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tokenwire.core.caller import Caller

ANY: Final = "*"
MAX_REMEMBERED: Final = 4_096


@dataclass(frozen=True, slots=True)
class SubjectPattern:
    """The subjects of a caller.

    Attributes:
        issuer: The issuer of the tokens, by its name in the gateway file.
        subject: The subject; a * stands for any characters.
        caller: The caller.
    """

    issuer: str
    subject: str
    caller: Caller


class Subjects:
    """Finds callers by issuer and subject.

    The most specific pattern decides: one without a *, then the one with the most characters
    besides *, then the first one.

    Args:
        patterns: The patterns, in the order of the file.
    """

    def __init__(self, patterns: Iterable[SubjectPattern]) -> None:
        ordered = sorted(patterns, key=_is_before)
        self._patterns = [(each.issuer, _expression(each.subject), each.caller) for each in ordered]
        self._found: dict[tuple[str, str], Caller] = {}

    def caller_of(self, issuer: str, subject: str) -> Caller | None:
        """Return the caller of a token; None if it is of nobody."""
        found = self._found.get((issuer, subject))
        if found is None:
            found = self._search(issuer, subject)
            if found is not None:
                if len(self._found) >= MAX_REMEMBERED:
                    self._found.clear()
                self._found[issuer, subject] = found
        return found

    def _search(self, issuer: str, subject: str) -> Caller | None:
        for name, expression, caller in self._patterns:
            if name == issuer and expression.fullmatch(subject):
                return caller
        return None


def _is_before(pattern: SubjectPattern) -> tuple[bool, int]:
    return ANY in pattern.subject, -len(pattern.subject.replace(ANY, ""))


def _expression(pattern: str) -> re.Pattern[str]:
    # Each part is found at its first place and never again, so the time is linear in the subject
    # however many * there are.
    first, *parts = (re.escape(part) for part in re.split(r"\*+", pattern))
    if not parts:
        return re.compile(first, re.DOTALL)
    *middle, last = parts
    found = "".join(f"(?>.*?{part})" for part in middle)
    return re.compile(f"{first}{found}.*{last}", re.DOTALL)
