"""Error bodies with which upstreams reject requests."""

from typing import Any


def says(message: str, **fields: Any) -> dict[str, Any]:
    """Return OpenAI's error object."""
    return {"error": {"message": message, **fields}}


TOO_LONG: list[object] = [
    says("maximum prompt length is 1000 but the request contains 1200 tokens"),
    says("request exceeded model token limit: 1000 (requested: 1200)"),
    says("Input length 1200 exceeds the maximum allowed input length of 1000 tokens"),
    {
        "object": "error",
        "message": "The decoder prompt (length 1200) is longer than the maximum model length of "
        "1000",
    },
    says("Range of input length should be [1, 1000]", code="invalid_parameter_error"),
    says("prompt token count of 1200 exceeds the limit of 1000"),
    says("", code="model_max_prompt_tokens_exceeded"),
    says("input length and `max_tokens` exceed context limit: 900 + 200 > 1000"),
    says("input (1200 tokens) is longer than the model's context length"),
    says("Prompt tokens (1200) exceeds context size (1000)"),
    {"error": "tokens to keep from the initial prompt is greater than the context length"},
    [says("maximum prompt length is 1000 but the request contains 1200 tokens")],
]
"""Rejections of a prompt that is too long."""
