"""Reads token counts, which upstreams report under different names."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from tokenwire.core.domain import Usage

MAX_COUNT: Final = 2**53
"""The largest token count that is accepted. Above it, JSON numbers are not exact."""
MAX_USAGE_BYTES: Final = 10_000

INPUT: Final = ("prompt_tokens", "input_tokens")
OUTPUT: Final = ("completion_tokens", "output_tokens")
INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details")
OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details")
CACHE_WRITE: Final = ("cache_write_tokens", "cache_creation_input_tokens")
AUDIO: Final = ("audio_tokens",)
CACHED: Final = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
REASONING: Final = ("reasoning_tokens",)
TOTAL: Final = ("total_tokens",)


def read_usage(encoded: msgspec.Raw) -> Usage | None:
    """Return the usage in its JSON, or None if it does not have both the input and the output.

    Some upstreams count reasoning beside the output and not as a part of it. The result includes
    it in the output.
    """
    if len(encoded) > MAX_USAGE_BYTES:
        return None
    try:
        value = msgspec.json.decode(encoded)
    except ValueError:
        # A number is out of the decoder's range.
        return None
    if not isinstance(value, dict):
        return None
    inputs = _count([value], INPUT)
    outputs = _count([value], OUTPUT)
    if inputs is None or outputs is None:
        return None
    reasoning = _count([*_details(value, OUTPUT_DETAILS), value], REASONING) or 0
    if reasoning > outputs:
        total = _count([value], TOTAL) or 0
        outputs = max(reasoning, total - inputs)
    input_details, output_details = _details(value, INPUT_DETAILS), _details(value, OUTPUT_DETAILS)
    cached = _count([*input_details, value], CACHED) or 0
    written = _count([*input_details, value], CACHE_WRITE) or 0
    return Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cached_input_tokens=min(cached, inputs),
        reasoning_tokens=reasoning,
        cache_write_input_tokens=min(written, inputs),
        audio_input_tokens=min(_count(input_details, AUDIO) or 0, inputs),
        audio_output_tokens=min(_count(output_details, AUDIO) or 0, outputs),
    )


def input_usage(value: object) -> Usage | None:
    """Return the usage of a request without output, or None if it has no input tokens."""
    if not isinstance(value, dict):
        return None
    inputs = _count([value], (*INPUT, *TOTAL))
    return None if inputs is None else Usage(inputs, 0)


def count_of(value: object) -> int | None:
    """Return a token count, or None if `value` makes no sense as one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def read_count(value: dict[str, Any], key: str) -> int | None:
    """Return the count in one field of an object, or None if it makes no sense."""
    return count_of(value.get(key))


def _details(value: dict[str, Any], keys: Iterable[str]) -> list[dict[str, Any]]:
    return [value[key] for key in keys if isinstance(value.get(key), dict)]


def _count(objects: Iterable[dict[str, Any]], keys: Iterable[str]) -> int | None:
    """Return the first count that makes sense."""
    for each in objects:
        for key in keys:
            count = count_of(each.get(key))
            if count is not None:
                return count
    return None
