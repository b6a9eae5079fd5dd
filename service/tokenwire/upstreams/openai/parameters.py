"""Finds the parameters of the request that an upstream's error names."""

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
    "logprobs": "params.top_logprobs",
    "top_logprobs": "params.top_logprobs",
    "top_k": "params.top_k",
    "min_p": "params.min_p",
    "logit_bias": "params.logit_bias",
    "service_tier": "params.service_tier",
    "model": "params.model",
    "dimensions": "dimensions",
    "encoding_format": "encoding_format",
    "response_format": "format",
    "reasoning_effort": "reasoning.effort",
    "budget_tokens": "reasoning.max_tokens",
    "thinking_budget": "reasoning.max_tokens",
    "thinking_level": "reasoning.effort",
}
"""The contract's fields by the names that upstreams use. It has no field for `encoding_format`,
which the service sets."""

PROMPT: Final = frozenset(
    {"messages", "message", "prompt", "prompts", "input", "inputs", "content", "contents"}
    | {"input_tokens", "prompt_tokens", "system", "text"}
)
"""The names that upstreams use for the prompt or a part of it."""

AMBIGUOUS: Final = ("stop", "seed", "user", "model", "dimensions")
"""Names that are also common words. In a message they count only with quotes or similar marks."""

KEYS: Final = {
    "tools": "tools",
    "tool_choice": "tool_choice",
}
"""More fields, by names that count only where an error names a parameter: in text they are common
words."""
FIELDS_BY_PATH: Final = {
    "text.format": "format",
    "reasoning.effort": "reasoning.effort",
    "reasoning.summary": "reasoning.show",
}
"""The contract's fields by the beginning of a path in the responses API, whose names are common
words."""

FIELDS_BY_BARE_NAME: Final = {name.replace("_", ""): field for name, field in FIELDS.items()}
"""FIELDS without underscores, which also matches names such as `maxTokens`."""

_distinct = "|".join(name.replace("_", "_?") for name in FIELDS if name not in AMBIGUOUS)
_ambiguous = "|".join(AMBIGUOUS)
MENTIONS: Final = re.compile(
    rf"""(?<![\w.])(?:thinking\.(?:\w+\.)?|inferenceConfig\.)?({_distinct})(?!\w)
    | ['"`]({_ambiguous})(?=[\[.'"`])
    | ^\W*({_ambiguous})(?=\s*:)
    | \b(?:parameter|argument|field|property)\W+(?:\w+\W+){{0,2}}({_ambiguous})(?![\w\[.])""",
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
PARTS: Final = re.compile(
    r"(?<![^\W_])(image|audio|video|pdf|file|document|media|vision|multimodal)s?(?![^\W_])",
    re.IGNORECASE,
)
"""What upstreams call the parts of a prompt that are not text."""
HISTORY: Final = re.compile(
    r"""(?<![^\W_])(roles?|assistant|prefill|alternat\w+|(last|final|previous|preceding)\ message
    |tool_?(calls?|call_?ids?|use|results?|messages?)|function_?calls?)(?![^\W_])""",
    re.IGNORECASE | re.VERBOSE,
)
"""What upstreams call the order of the turns of a prompt and its tool calls."""
SCHEMA: Final = re.compile(r"\bjson.?schema\b|\bgrammar\b", re.IGNORECASE)
"""What upstreams call the form of an answer, or of the arguments of a tool call."""
BODY: Final = re.compile(r"^(?:body|request)\.")
"""How paths of parameters begin at some upstreams."""
QUOTED: Final = re.compile(r"['\"`]([A-Za-z][\w.\[\]]*)['\"`]")


def named_fields(body: ErrorBody) -> tuple[str, ...]:
    """Return the contract's fields that an error names; those in a parameter key come first."""
    in_text = (next(filter(None, found)) for found in MENTIONS.findall(body.text))
    fields = [*(_field_of_key(name) for name in _in_keys(body)), *map(_field, in_text)]
    return tuple(dict.fromkeys(filter(None, fields)))


def rejected_fields(body: ErrorBody) -> tuple[str, ...]:
    """Return the contract's fields that may be at fault, the likeliest first.

    The caller is blamed for the first one that it set.
    """
    fields = named_fields(body)
    others: tuple[str, ...] = ()
    if not fields:
        others += ("parts",) * _is_about_parts(body)
        others += ("format", "tools") * bool(SCHEMA.search(body.text))
    if _names_prompt(body) or (not fields and HISTORY.search(body.text)):
        others += ("history",)
    return fields + others


def named_members(body: ErrorBody) -> tuple[str, ...]:
    """Return the names of members of a request that an error may be about.

    They are the first names of paths in its parameter keys, and then those that its text quotes.
    """
    paths = [*body.parameters, *QUOTED.findall(body.text)]
    names = (BODY.sub("", path).partition(".")[0].partition("[")[0] for path in paths)
    return tuple(dict.fromkeys(filter(None, names)))


def _is_about_parts(body: ErrorBody) -> bool:
    """Report whether an error is about an image, audio or a file of the prompt."""
    return bool(PARTS.search(body.text) or PARTS.search(body.kinds))


def _names_prompt(body: ErrorBody) -> bool:
    """Report whether a parameter key of an error names the prompt or a part of it."""
    return any(not PROMPT.isdisjoint(_steps(path)) for path in body.parameters)


def names_another_field(body: ErrorBody) -> bool:
    """Report whether a parameter key of an error names something other than the prompt."""
    paths = [_steps(path) for path in body.parameters]
    return any(
        _is_in_response(path) or (path and PROMPT.isdisjoint(path) and path != ["body"])
        for path in paths
    )


def mentions_another_field(body: ErrorBody) -> bool:
    """Report whether an error's message names something other than the prompt."""
    quoted = map(_steps, QUOTED.findall(body.text))
    return bool(MENTIONS.search(body.text)) or any(map(PROMPT.isdisjoint, quoted))


def _in_keys(body: ErrorBody) -> Iterator[str]:
    for path in body.parameters:
        steps = _steps(path)
        if _is_in_response(steps):
            yield ".".join(steps[:2])
        elif PROMPT.isdisjoint(steps):
            yield from steps


def _is_in_response(steps: list[str]) -> bool:
    """Report whether a path begins with a key of FIELDS_BY_PATH."""
    return ".".join(steps[:2]) in FIELDS_BY_PATH


def _field_of_key(name: str) -> str | None:
    return FIELDS_BY_PATH.get(name) or KEYS.get(name) or _field(name)


def _field(name: str) -> str | None:
    return FIELDS_BY_BARE_NAME.get(name.replace("_", "").lower())


def _steps(path: str) -> list[str]:
    """Return the names in a path such as `body.stop[0]`."""
    return re.findall(r"[a-z]\w*", path.lower())
