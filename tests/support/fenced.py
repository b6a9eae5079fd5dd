"""Fenced code blocks of the documentation, whose commands and snippets are tested."""

import re
from typing import Any, Final

BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def defined_by(code: str) -> dict[str, Any]:
    """Run code of the documentation and return what it defines, by name."""
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the documentation's own code
    return names


def fenced(text: str, language: str) -> list[str]:
    """Return the blocks of a document in one language, in order."""
    return [code.strip() for each, code in BLOCK.findall(text) if each == language]
