"""The sections of docs/kubernetes-troubleshooting.md."""

import re
import shlex
from typing import Final

from support.fenced import fenced
from support.kubernetes_doc import NAMESPACE, RELEASE
from support.programs import ROOT

TEXT: Final = (ROOT / "docs" / "kubernetes-troubleshooting.md").read_text("utf-8")
SECTIONS: Final = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
"""The sections by title."""
INTRODUCTION: Final = TEXT.partition("\n## ")[0]


def shown(title: str, block: int = 0) -> list[str]:
    """Return the lines that a section says are shown, in its block of that number."""
    return fenced(SECTIONS[title], "text")[block].splitlines()


def commands(text: str) -> list[str]:
    """Return the commands of a section or of the introduction."""
    return [line for block in fenced(text, "sh") for line in block.splitlines()]


def adapted(line: str, release: str, namespace: str) -> list[str]:
    """Return the words of a command, for another release in another namespace."""
    words = shlex.split(line)
    for at, word in enumerate(words):
        if word == RELEASE and words[at - 1] in {"upgrade", "rollback"}:
            words[at] = release
        elif word.endswith((f"deployment/{RELEASE}", f"service/{RELEASE}")):
            words[at] = f"{word.removesuffix(RELEASE)}{release}-{RELEASE}"
        elif word.split(",")[0] == f"app.kubernetes.io/instance={RELEASE}":
            words[at] = word.replace(RELEASE, release, 1)
        elif word == NAMESPACE and words[at - 1] == "--namespace":
            words[at] = namespace
    return words
