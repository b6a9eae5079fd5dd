"""Writes the usage of a call in OpenAI's form."""

from typing import Any

from tokenwire.core.domain import Usage


def usage_object(usage: Usage) -> dict[str, Any]:
    """Return the `usage` of a completion."""
    prompt = {"cached_tokens": usage.cached_input_tokens}
    if usage.audio_input_tokens:
        prompt["audio_tokens"] = usage.audio_input_tokens
    completion = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.audio_output_tokens:
        completion["audio_tokens"] = usage.audio_output_tokens
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    }
