"""Generates the answers of the demo model, and counts tokens."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tokenwire_demo.request import CompletionRequest

OPENING = "This is tokenwire's built-in demo model, a simulator: it does not think."
QUOTED_WORDS = 12

_TOKEN = re.compile(r"\s*\S+|\s+\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. The tokens joined are its exact text."""

    tokens: tuple[str, ...]
    finish_reason: Literal["stop", "length"]


def tokenize(text: str) -> list[str]:
    """Split a text into tokens: each word with the whitespace before it.

    Trailing whitespace is a token of its own, so that the tokens joined are exactly the text.
    """
    return _TOKEN.findall(text)


def count_tokens(texts: Iterable[str]) -> int:
    """Return the number of tokens in all texts."""
    return sum(len(tokenize(text)) for text in texts)


def compose(request: CompletionRequest) -> Answer:
    """Return the answer to a request. Equal requests get equal answers."""
    tokens = tokenize(_before_stop(_text(request), request.stop))
    if request.max_tokens is not None and len(tokens) > request.max_tokens:
        return Answer(tuple(tokens[: request.max_tokens]), "length")
    return Answer(tuple(tokens), "stop")


def _text(request: CompletionRequest) -> str:
    words = request.prompt.split()
    quoted = words[:QUOTED_WORDS]
    which = "" if len(quoted) == len(words) else f" first {QUOTED_WORDS}"
    sentences = [
        OPENING,
        f"You sent {_count(len(words), 'word')}.",
        f'The{which} words: "{" ".join(quoted)}".' if words else "",
        f'Backwards: "{" ".join(reversed(quoted))}".' if words else "",
        *(f"It has {_article(each)} {each}." for each in request.data),
        f"Earlier turns in this conversation: {request.earlier_turns}.",
        f"System prompt: {_count(len(request.system.split()), 'word')}."
        if request.system is not None
        else "System prompt: none.",
    ]
    return " ".join(filter(None, sentences))


def _article(noun: str) -> str:
    return "an" if noun[0] in "aiu" else "a"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _before_stop(text: str, stop: Sequence[str]) -> str:
    found = [text.find(word) for word in stop if word in text]
    return text[: min(found)] if found else text
