"""The failures that the error responses of real upstreams are mapped to."""

import json
from typing import Any

import pytest

from tokenwire.core import errors
from tokenwire.upstreams.openai.rejection import rejection


def meaning(status: int, body: object) -> type[errors.ServiceError]:
    """Return the type of failure that a response with this JSON body is mapped to."""
    return type(rejection(status, {}, json.dumps(body).encode()))


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": None, "param": None, "code": None} | fields}


TOO_LONG: dict[str, object] = {
    "OpenAI": error(
        "This model's maximum context length is 128000 tokens. However, your messages resulted "
        "in 204308 tokens. Please reduce the length of the messages.",
        type="invalid_request_error",
        param="messages",
        code="context_length_exceeded",
    ),
    "OpenAI, one text": error(
        "Invalid 'messages[0].content': string too long. Expected a string with maximum length "
        "10485760, but got a string with length 10485800 instead.",
        type="invalid_request_error",
        param="messages[0].content",
        code="string_above_max_length",
    ),
    "Azure": error(
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens "
        "(8000 in the messages, 1000 in the completion).",
        type="invalid_request_error",
        param="messages",
        code="context_length_exceeded",
    ),
    "vLLM": error(
        "You passed 1015 input tokens and requested 10 output tokens. However, the model's "
        "context length is only 1024 tokens, resulting in a maximum input length of 1014 tokens.",
        type="BadRequestError",
        param="input_tokens",
        code=400,
    ),
    "vLLM before 0.10": {
        "object": "error",
        "message": "This model's maximum context length is 16384 tokens. However, you requested "
        "122946 tokens (112946 in the messages, 10000 in the completion).",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    },
    "LiteLLM": error(
        "litellm.ContextWindowExceededError: litellm.BadRequestError: "
        "ContextWindowExceededError: OpenAIException - your messages resulted in 9000 tokens",
        code="400",
    ),
    "LiteLLM before Anthropic": error(
        "litellm.BadRequestError: AnthropicException - prompt is too long: 210000 tokens > "
        "200000 maximum",
        code="400",
    ),
    "Ollama": error("the input length exceeds the context length", type="invalid_request_error"),
    "Ollama's own": {"error": "the input length exceeds the context length"},
    "llama.cpp": error(
        "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
        type="exceed_context_size_error",
        code=400,
        n_prompt_tokens=4390,
        n_ctx=4096,
    ),
    "llama.cpp in Python": error(
        "Requested tokens (2285) exceed context window of 2048", type="invalid_request_error"
    ),
    "Gemini": [
        error(
            "The input token count (1200000) exceeds the maximum number of tokens allowed "
            "(1048575).",
            code=400,
            status="INVALID_ARGUMENT",
        )
    ],
}

AGAINST_POLICY: dict[str, object] = {
    "OpenAI": error(
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
        type="invalid_request_error",
        code="invalid_prompt",
    ),
    "OpenAI, images": error(
        "Your request was rejected as a result of our safety system.",
        type="invalid_request_error",
        code="content_policy_violation",
    ),
    "Azure": error(
        "The response was filtered due to the prompt triggering Azure OpenAI's content "
        "management policy. Please modify your prompt and retry.",
        param="prompt",
        code="content_filter",
        status=400,
        innererror={"code": "ResponsibleAIPolicyViolation"},
    ),
    "LiteLLM": error(
        "litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - The "
        "response was filtered due to the prompt triggering Azure OpenAI's content management "
        "policy. Please modify your prompt and retry.",
        code="400",
    ),
}

OUR_FAULT: dict[str, object] = {
    "a parameter": error(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead.",
        type="invalid_request_error",
        param="max_tokens",
        code="unsupported_parameter",
    ),
    "too many output tokens": error(
        "max_tokens is too large: 5000. This model supports at most 4096 completion tokens.",
        type="invalid_request_error",
        param="max_tokens",
        code="invalid_value",
    ),
    "vLLM, max_tokens": {
        "object": "error",
        "message": "max_tokens must be at least 1, got -186.",
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    },
    "no message": {"error": {}},
    "null": {"error": None},
    "a number": 400,
    "a list": [],
    "a list of numbers": [1],
    "odd types": {"error": {"message": ["no"], "type": {}, "code": [1]}},
}


def test_a_prompt_that_is_too_long_is_known_by_every_upstreams_words(
    subtests: pytest.Subtests,
) -> None:
    """A prompt that is too long is PROMPT_TOO_LONG in the wording of every upstream."""
    for body in TOO_LONG.values():
        with subtests.test(body=body):
            assert meaning(400, body) is errors.PromptTooLong


def test_a_prompt_against_the_policy_is_known_by_every_upstreams_words(
    subtests: pytest.Subtests,
) -> None:
    """A prompt against the policy is PROMPT_REJECTED in the wording of every upstream."""
    for body in AGAINST_POLICY.values():
        with subtests.test(body=body):
            assert meaning(400, body) is errors.PromptRejected


def test_any_other_400_is_no_fault_of_the_caller(subtests: pytest.Subtests) -> None:
    """A 400 with any other body, even a malformed one, is UPSTREAM_REJECTED_REQUEST."""
    for body in OUR_FAULT.values():
        with subtests.test(body=body):
            assert meaning(400, body) is errors.UpstreamRejectedRequest


def test_a_body_that_is_no_json_is_no_trouble(subtests: pytest.Subtests) -> None:
    """A body that cannot be decoded is ignored, and only the status decides."""
    for body in (b"", b"{", b"\xff\xfe", b"[" * 10_000, b"<html>too long</html>"):
        with subtests.test(body=body):
            assert type(rejection(400, {}, body)) is errors.UpstreamRejectedRequest
            assert type(rejection(429, {}, body)) is errors.UpstreamRateLimited


EXHAUSTED = [
    {"code": "insufficient_quota"},
    {"type": "insufficient_quota"},
    {"type": "insufficient_quota", "code": "insufficient_quota"},
]


def test_an_exhausted_quota_is_no_rate_limit(subtests: pytest.Subtests) -> None:
    """An exhausted quota in the code, the type or both is final and has no retry delay."""
    for fields in EXHAUSTED:
        with subtests.test(fields=fields):
            body = error("You exceeded your current quota, please check your plan.", **fields)
            failure = rejection(429, {"retry-after": "5"}, json.dumps(body).encode())
            assert type(failure) is errors.UpstreamQuotaExhausted
            assert failure.retry_after is None


def test_words_about_quota_alone_are_a_rate_limit() -> None:
    """A message about a quota, without the code of an exhausted quota, is a rate limit."""
    body = error("Quota exceeded for requests per minute.", code="rate_limit_exceeded")
    assert meaning(429, body) is errors.UpstreamRateLimited


def test_a_delay_is_kept_where_a_retry_may_help(subtests: pytest.Subtests) -> None:
    """Retry-After is kept for failures that a retry may resolve."""
    for status in (429, 500, 503, 529):
        with subtests.test(status=status):
            assert rejection(status, {"retry-after": "5"}, b"").retry_after == 5
