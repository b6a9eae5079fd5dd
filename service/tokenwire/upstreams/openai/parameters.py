"""Which parameters of the request an upstream's error is about."""

import re
from collections.abc import Iterator
from typing import Final

from tokenwire.upstreams.openai.error_body import ErrorBody

FIELDS: Final = {
    "temperature": "params.temperature",
    "max_tokens": "params.max_tokens",
    "max_completion_tokens": "params.max_tokens",
    "max_new_tokens": "params.max_tokens",
    "max_output_tokens": "params.max_tokens",
    "top_p": "params.top_p",
    "stop": "params.stop",
    "stop_sequences": "params.stop",
    "seed": "params.seed",
    "random_seed": "params.seed",
    "frequency_penalty": "params.frequency_penalty",
    "presence_penalty": "params.presence_penalty",
    "user": "params.user",
    "model": "params.model",
}
"""The contract's fields by what upstreams call them."""

PROMPT: Final = frozenset(
    {"messages", "message", "prompt", "prompts", "input", "inputs", "content", "contents"}
    | {"input_tokens", "prompt_tokens", "system", "text"}
)
"""What upstreams call the prompt, or a part of it."""

ALSO_WORDS: Final = ("stop", "seed", "user", "model")
"""Names that stand in sentences about other things too."""

BY_NAME: Final = {name.replace("_", ""): field for name, field in FIELDS.items()}
"""Also for those who write `maxTokens`."""

_distinct = "|".join(name.replace("_", "_?") for name in FIELDS if name not in ALSO_WORDS)
_words = "|".join(ALSO_WORDS)
IN_TEXT: Final = re.compile(
    rf"""(?<![\w.])({_distinct})(?!\w)
    | ['"`]({_words})(?=[\[.'"`])
    | ^\W*({_words})(?=\s*:)
    | \b(?:parameter|argument|field|property)\W+(?:\w+\W+){{0,2}}({_words})(?![\w\[.])""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
QUOTED: Final = re.compile(r"['\"`]([A-Za-z][\w.\[\]]*)['\"`]")


def named_fields(body: ErrorBody) -> tuple[str, ...]:
    """Return the contract's fields that an error names, those named by themselves first."""
    in_text = (next(filter(None, found)) for found in IN_TEXT.findall(body.text))
    fields = map(_field, [*_given(body), *in_text])
    return tuple(dict.fromkeys(filter(None, fields)))


def is_of_another_field(body: ErrorBody) -> bool:
    """Tell whether an error names by itself something that is no part of the prompt."""
    ways = [_steps(way) for way in body.parameters]
    return any(way and PROMPT.isdisjoint(way) and way != ["body"] for way in ways)


def mentions_another_field(body: ErrorBody) -> bool:
    """Tell whether an error's sentences name something that is no part of the prompt."""
    quoted = map(_steps, QUOTED.findall(body.text))
    return bool(IN_TEXT.search(body.text)) or any(map(PROMPT.isdisjoint, quoted))


def _given(body: ErrorBody) -> Iterator[str]:
    for way in body.parameters:
        steps = _steps(way)
        if PROMPT.isdisjoint(steps):
            yield from steps


def _field(name: str) -> str | None:
    return BY_NAME.get(name.replace("_", "").lower())


def _steps(way: str) -> list[str]:
    """Return the names on a way such as `body.stop[0]`."""
    return re.findall(r"[a-z]\w*", way.lower())
