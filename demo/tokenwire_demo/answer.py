"""Generates the answers of the demo model, and counts tokens."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tokenwire_demo.request import CompletionRequest
from tokenwire_demo.tool_results import ToolResult
from tokenwire_demo.tools import Call

OPENING = "This is tokenwire's built-in demo model, a simulator: it does not think."
QUOTED_WORDS = 12
QUOTED_RESULTS = 8
QUOTED_RESULT_LENGTH = 200

_TOKEN = re.compile(r"\s*\S+|\s+\Z")


class Token(NamedTuple):
    """A token, and the field of a message that it belongs to."""

    text: str
    field: str = "content"


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: reasoning, text, calls. The tokens joined are its exact texts."""

    tokens: tuple[Token, ...]
    finish_reason: Literal["stop", "length"]
    calls: tuple[Call, ...] = ()


def tokenize(text: str) -> list[str]:
    """Split a text into tokens: each word with the whitespace before it.

    Trailing whitespace is a token of its own, so that the tokens joined are exactly the text.
    """
    return _TOKEN.findall(text)


def count_tokens(texts: Iterable[str]) -> int:
    """Return the number of tokens in all texts."""
    return sum(len(tokenize(text)) for text in texts)


def compose(request: CompletionRequest) -> Answer:
    """Return the answer to a request. Equal requests get equal answers.

    Raises:
        RequestError: A schema of the request gets no instance.
    """
    calls = request.toolbox.calls(
        request.prompt, earlier=request.earlier_calls, answered=bool(request.results)
    )
    reasoning = tokenize(request.reasoning.text(request.prompt))[: request.reasoning.max_tokens]
    text = "" if calls else _before_stop(_formatted_text(request), request.stop)
    tokens = [
        *(Token(each, request.reasoning.field) for each in reasoning),
        *(Token(each) for each in tokenize(text)),
    ]
    most = request.max_tokens
    if most is not None and len(tokens) + sum(map(call_tokens, calls)) > most:
        return Answer(tuple(tokens[:most]), "length")
    return Answer(tuple(tokens), "stop", calls)


def call_tokens(call: Call) -> int:
    """Return the number of tokens of a call."""
    return count_tokens((call.name, call.arguments))


def _formatted_text(request: CompletionRequest) -> str:
    text = _text(request)
    return request.format.text(text) if request.format else text


def _text(request: CompletionRequest) -> str:
    words = request.prompt.split()
    quoted = words[:QUOTED_WORDS]
    which = "" if len(quoted) == len(words) else f" first {QUOTED_WORDS}"
    sentences = [
        OPENING,
        *map(_result, request.results[:QUOTED_RESULTS]),
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


def _result(result: ToolResult) -> str:
    text = result.text
    quoted = text if len(text) <= QUOTED_RESULT_LENGTH else f"{text[:QUOTED_RESULT_LENGTH]}…"
    return f"The result of {result.name}: {quoted}."


def _article(noun: str) -> str:
    return "an" if noun[0] in "aiu" else "a"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _before_stop(text: str, stop: Sequence[str]) -> str:
    found = [text.find(word) for word in stop if word in text]
    return text[: min(found)] if found else text
