"""Holds back the white space that some models write before tool calls."""

from typing import Final

MAX_BLANK_LENGTH: Final = 1_000
"""The most characters of white space that are held back."""


class LeadingBlank:
    """Holds back white space at the start of an answer until other text arrives.

    Args:
        holding: Whether to hold anything back.

    Attributes:
        holding: Whether the text so far is white space that is held back.
        held: The white space that was held back.
    """

    def __init__(self, *, holding: bool) -> None:
        self.holding = holding
        self.held = ""

    def add(self, text: str) -> str:
        """Return the text so far if it is not blank; otherwise hold it back."""
        self.held += text
        if self.held.isspace() and len(self.held) <= MAX_BLANK_LENGTH:
            return ""
        self.holding = False
        return self.held

    def rest(self) -> tuple[str, ...]:
        """Return the text that is still held back, if any."""
        return (self.held,) if self.holding and self.held else ()
