"""Error messages of many more upstreams, and messages that only resemble them."""

import itertools
import json
import re
import time
from typing import Any

import pytest

from support import rejections
from support.rejections import says
from tokenwire.api.codes import code_of
from tokenwire.core import errors
from tokenwire.upstreams.openai import error_body, words
from tokenwire.upstreams.openai.rejection import rejection


def failure(status: int, body: object, **headers: str) -> errors.ServiceError:
    """Return the failure that a response with this JSON body is mapped to."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return rejection(status, named, json.dumps(body).encode())


def meaning(status: int, body: object) -> type[errors.ServiceError]:
    return type(failure(status, body))


TOO_LONG: list[object] = [
    *rejections.TOO_LONG,
    says("Please reduce the length of the messages or completion."),
    {"message": "Input is too long for requested model."},
    says("Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
    {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081"},
    {
        "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. "
        "Given: 5000 `inputs` tokens and 512 `max_new_tokens`",
        "error_type": "validation",
    },
    {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 1500"},
    says("invalid params, context window exceeds limit (2013)", type="bad_request_error"),
    says("Messages have 9000 tokens, which exceeds the max limit of 8192 tokens"),
    says("Prompt exceeds max length", code="1261"),
    says("Invalid 'messages': array too long. Expected at most 2048.", param="messages"),
    says("", code="tokens_limit_reached"),
    {"detail": "This model's maximum context length is 1000 tokens"},
    {"detail": [{"loc": ["body", "messages"], "msg": "prompt is too long", "type": "value_error"}]},
    [says("The input token count (1200) exceeds the maximum number of tokens allowed (1000).")],
    {"message": "The total number of tokens in the prompt and `max_tokens` is above the limit"},
    {
        "detail": [
            {
                "loc": ["body", "messages", 0, "content"],
                "msg": "String should have at most 9 characters",
                "type": "string_too_long",
            }
        ]
    },
    {"errors": [{"message": "prompt is too long: 1200 tokens > 1000 maximum"}]},
    says(
        "Provider returned error",
        metadata={"raw": json.dumps(says("prompt is too long: 1200 tokens > 1000 maximum"))},
    ),
]

AGAINST_POLICY: list[object] = [
    says("Input text data may contain inappropriate content.", code="data_inspection_failed"),
    says("Content Exists Risk", type="invalid_request_error"),
    {"detail": "Content Exists Risk"},
    says("This request has been flagged by moderation"),
    says("The prompt was blocked for safety reasons"),
    says("", code="content_filter"),
    {"error": "Inappropriate content"},
    says("Sensitive content was detected", code="SensitiveContentDetected"),
    says("Violated guardrail policy"),
]

MONEY: list[object] = [
    says("You exceeded your current quota", type="exceeded_current_quota_error"),
    says("Your account balance is insufficient, please recharge", code="1113"),
    says("Insufficient credits. Add more on the billing page."),
    {"message": "The account has no balance left"},
    {"detail": "Quota exceeded"},
    {"error": "Your account is in arrears"},
    says("Please wait", code="insufficient_quota"),
    says("You have reached your specified usage limits."),
    says("Budget has been exceeded! Current cost: 9, max budget: 8", type="budget_exceeded"),
]

TOO_FAST: list[object] = [
    says("Too many tokens, please wait before trying again.", type="ThrottlingException"),
    says("Rate limit reached on tokens per min (TPM): limit 1000, requested 1200"),
    {"message": "Too Many Requests"},
    says("Request was throttled: input tokens per minute exceeded", code=400),
]


def test_too_long(subtests: pytest.Subtests) -> None:
    """Wording about the length or limit of the prompt is PROMPT_TOO_LONG."""
    for body, status in itertools.product(TOO_LONG, (400, 422)):
        with subtests.test(body=body, status=status):
            assert meaning(status, body) is errors.PromptTooLong


def test_against_the_policy(subtests: pytest.Subtests) -> None:
    """Wording about inspection, risk, moderation, filters or safety is PROMPT_REJECTED."""
    for body, status in itertools.product(AGAINST_POLICY, (400, 422)):
        with subtests.test(body=body, status=status):
            assert meaning(status, body) is errors.PromptRejected


def test_money(subtests: pytest.Subtests) -> None:
    """Wording about money or quota is UPSTREAM_QUOTA_EXHAUSTED, without a retry delay."""
    for body, status in itertools.product(MONEY, (400, 403, 429)):
        with subtests.test(body=body, status=status):
            found = failure(status, body, retry_after="5")
            assert type(found) is errors.UpstreamQuotaExhausted
            assert found.retry_after is None


def test_402_is_money_whatever_it_says(subtests: pytest.Subtests) -> None:
    """402 is UPSTREAM_QUOTA_EXHAUSTED with any body."""
    for body in ({}, None, says("Payment required"), says("please wait")):
        with subtests.test(body=body):
            assert meaning(402, body) is errors.UpstreamQuotaExhausted


def test_too_fast(subtests: pytest.Subtests) -> None:
    """Throttling is UPSTREAM_RATE_LIMITED with its retry delay, even if it mentions tokens."""
    for body, status in itertools.product(TOO_FAST, (400, 429)):
        with subtests.test(body=body, status=status):
            found = failure(status, body, retry_after="5")
            assert type(found) is errors.UpstreamRateLimited
            assert found.retry_after == 5


def test_later_helps(subtests: pytest.Subtests) -> None:
    """Every status that means a temporary failure is retryable, with its retry delay."""
    for status in (420, 423, 424, 425, 498, 499, 500, 503, 520, 525, 530, 599):
        with subtests.test(status=status):
            found = failure(status, says("Flex tier capacity exceeded"), retry_after="5")
            assert found.retryable
            assert found.retry_after == 5
            assert code_of(type(found)).name in ("UNAVAILABLE", "RESOURCE_EXHAUSTED")


def test_words_that_say_that_later_helps(subtests: pytest.Subtests) -> None:
    """Another 4xx is UPSTREAM_ERROR if its text or a Retry-After header asks to try again later."""
    for status in (400, 418, 451):
        with subtests.test(status=status):
            assert meaning(status, says("Overloaded, try again later")) is errors.UpstreamError
            assert type(failure(status, {}, retry_after="5")) is errors.UpstreamError
            assert meaning(status, {}) is errors.UpstreamRejectedRequest


NO_SUCH_MODEL: list[tuple[int, object]] = [
    (404, {}),
    (400, says("The model `x` does not exist", code="model_not_found")),
    (403, says("Project has no access to model `x`", code="model_not_found")),
]


def test_no_such_model(subtests: pytest.Subtests) -> None:
    """404 is UPSTREAM_MODEL_NOT_FOUND with any body, other statuses if their code says so."""
    for status, body in NO_SUCH_MODEL:
        with subtests.test(status=status, body=body):
            assert meaning(status, body) is errors.UpstreamModelNotFound


def test_403_is_about_credentials(subtests: pytest.Subtests) -> None:
    """A 403 that is not about a prompt, money or model is a rejection of the credentials."""
    for body in ({}, says("Your organization's policy forbids this network")):
        with subtests.test(body=body):
            assert meaning(403, body) is errors.UpstreamAuthRejected


def test_403_may_be_about_the_prompt() -> None:
    """A 403 from a router's moderation is PROMPT_REJECTED."""
    body = says("Your input was flagged", code=403, metadata={"reasons": ["violence"]})
    assert meaning(403, body) is errors.PromptRejected


def test_a_prompt_that_is_repeated_in_an_error_decides_nothing() -> None:
    """Text that a validator echoes from the request does not affect the meaning."""
    echo = {"message": "context length, quota, moderation", "role": "user"}
    detail = {"loc": ["body", "x"], "msg": "Field required", "type": "missing"}
    for key in ("input", "ctx", "content", "messages", "prompt", "request", "body"):
        body = {"detail": [detail | {key: echo}], key: [echo]}
        assert meaning(400, body) is errors.UpstreamRejectedRequest


@pytest.mark.parametrize("text", ["prompt " * 9_000, "'a" * 30_000, "1 " * 30_000, "a" * 60_000])
def test_a_hostile_body_costs_little(text: str) -> None:
    """The largest error body that is read is classified without delaying other calls."""
    body = json.dumps([{"message": text[at : at + 4_000]} for at in range(0, len(text), 4_000)])
    started = time.process_time()
    rejection(400, {}, body.encode())
    assert time.process_time() - started < 1


def test_a_deep_or_long_body_ends() -> None:
    """The depth and the number of values read from a body are bounded."""
    deep: Any = "context length"
    for _ in range(100):
        deep = {"error": deep}
    assert meaning(400, deep) is errors.UpstreamRejectedRequest
    long = [{"message": "x"}] * 5_000
    assert error_body.read(json.dumps(long).encode()).text.count("x") <= error_body.MAX_VALUES


def test_no_pattern_takes_what_is_empty() -> None:
    """No pattern matches the empty string, since it would classify every error."""
    patterns = [each for each in vars(words).values() if isinstance(each, re.Pattern)]
    assert patterns
    assert not any(pattern.search("") for pattern in patterns)
