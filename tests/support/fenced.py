"""Fenced code blocks of the documentation, whose commands and snippets are tested."""

import re
from typing import Final

BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fenced(text: str, language: str) -> list[str]:
    """Return the blocks of a document in one language, in order."""
    return [code.strip() for each, code in BLOCK.findall(text) if each == language]
