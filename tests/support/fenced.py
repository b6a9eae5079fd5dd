"""Fenced blocks of the documents, whose commands and snippets tests run."""

import re
from typing import Final

BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fenced(text: str, language: str) -> list[str]:
    """Return a document's blocks in a language, in their order."""
    return [code.strip() for each, code in BLOCK.findall(text) if each == language]
