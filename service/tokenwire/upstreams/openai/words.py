"""Classifies an upstream's error by the words in its codes and messages."""

import re
from typing import Final

from tokenwire.upstreams.openai import parameters
from tokenwire.upstreams.openai.error_body import ErrorBody


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


RATE: Final = _compile(
    r"""throttl | concurren | too.?many.?requests | \bwait\b | (?<![a-z])rate(?![a-z]) | slow.?down
    | \b[rt]p[smd]\b | \bper[ -](second|minute|min|hour|day)\b | (retry|try\ again)\ (in|after)\b"""
)
MONEY: Final = _compile(
    r"""balance | recharg | \bfunds\b | prepaid | \bbudget(?!_) | billing | \bcredits?\b | quota
    | payment | arrear | overdue | top.?up | (usage|spend(ing)?).(limit|cap)"""
)
MONEY_CODES: Final = _compile(
    r"""insufficient.?(quota|funds) | exceeded.{0,9}quota | balance | billing | credit | payment
    | arrear | overdue"""
)
"""Error codes about money. They take precedence over the message."""
PAYMENT_REQUIRED: Final = re.compile("^402$", re.MULTILINE)
RATE_CODES: Final = re.compile(
    "throttl|too.?many.?requests|rate.?limit|^429$", re.IGNORECASE | re.MULTILINE
)
"""Error codes about rate limits, in an answer. The text of an error may just give advice."""

POLICY: Final = _compile(
    r"""inspection | \brisks?\b | moderat | \bfilter | content.?(filter|polic) | safety | flagged
    | inappropriate | harmful | guardrail | jailbreak | (?<!case[- ])sensitive | prohibited
    | responsible.?ai | invalid_prompt | usage\ polic"""
)
PROMPT_POLICY: Final = _compile(r"moderat | flagged | content.?(filter|polic)")
"""A subset of POLICY, without words that also describe the access policies of organizations."""

TOO_LONG_CODES: Final = _compile(
    r"""context.?(length|window|size) | tokens?.?limit
    | (prompt|input|context|request).{0,20}(exceed|too.?(long|large))"""
)
TOO_LONG: Final = _compile(
    r"""context.{0,3}(length|window|size|limit)
    | \b(prompt|inputs?|context|messages?)\W{0,3}(tokens?\W)?(length|count|size|tokens?)\b
    | \b(prompt|inputs?|request|messages?|you)\b[^.]{0,40}\b\d+\ (input\ )?tokens\b
    | \btokens\ (in|of|from)\ (the\ |your\ )?(prompt|input|messages?)\b"""
)
"""Phrases that always refer to the prompt."""
TOO_LONG_AMBIGUOUS: Final = _compile(
    r"""too.long | above.max.length | too\ many\ tokens | tokens?.limit | maximum.{0,20}tokens
    | tokens\ to\ keep | reduce\ the\ (length|size)
    | \b(prompt|inputs?|request|messages?|conversation|content)\b[^.]{0,60}
      (too\ (large|many)|(long|larg|great)er\ than|more\ than|exceed)"""
)
"""Phrases that refer to the prompt unless the error names another field."""

INVALID_KEY: Final = re.compile("^(api_key_invalid|invalid_api_key)$", re.IGNORECASE | re.MULTILINE)
"""Error codes about the key. Google sends 400 with them."""
UNKNOWN_MODEL: Final = _compile(
    r"""model.{0,100}(not.?found|not.?exist) | (unknown|no.such|invalid).model\b
    | model\ identifier\ is\ invalid"""
)
UNSUPPORTED_PARTS: Final = _compile(
    r"""\b(image|audio|video)\ input\ is\ not\ supported | required\ for\ (image|audio)\ input\b"""
)
"""With 500: llama.cpp and Ollama, of a model that takes only text."""
TRANSIENT: Final = _compile(
    r"overload | capacity | try\ again\ later | temporar | unavailable | \bbusy\b | \bloading\b"
)


def is_about_money(body: ErrorBody) -> bool:
    """Report whether the credit or a quota is used up, so that waiting does not help."""
    if MONEY_CODES.search(body.kinds):
        return True
    # Some upstreams call rate limits quotas, or advertise a higher limit in the message.
    return _matches(MONEY, body) and not is_about_rate(body)


def is_money_code(body: ErrorBody) -> bool:
    """Report whether the error's code alone says that the credit or a quota is used up."""
    return bool(MONEY_CODES.search(body.kinds) or PAYMENT_REQUIRED.search(body.kinds))


def is_rate_code(body: ErrorBody) -> bool:
    """Report whether the error's code alone says that a rate limit is exceeded."""
    return bool(RATE_CODES.search(body.kinds))


def is_about_rate(body: ErrorBody) -> bool:
    """Report whether a rate limit is exceeded, so that waiting helps."""
    return _matches(RATE, body)


def is_about_policy(body: ErrorBody) -> bool:
    """Report whether the prompt violates a policy."""
    return _matches(POLICY, body)


def is_about_prompt_policy(body: ErrorBody) -> bool:
    """Report whether a 403 means that the prompt violates a policy, and not denied access."""
    return _matches(PROMPT_POLICY, body)


def is_about_length(body: ErrorBody) -> bool:
    """Report whether the prompt is too long. Another field that is too long does not count."""
    if TOO_LONG_CODES.search(body.kinds):
        return True
    if parameters.names_another_field(body):
        return False
    if TOO_LONG.search(body.text):
        return True
    return _matches(TOO_LONG_AMBIGUOUS, body) and not parameters.mentions_another_field(body)


def is_about_key(body: ErrorBody) -> bool:
    """Report whether the service's key is not valid."""
    return bool(INVALID_KEY.search(body.kinds))


def is_about_model(body: ErrorBody) -> bool:
    """Report whether the model does not exist."""
    return _matches(UNKNOWN_MODEL, body)


def is_about_unsupported_parts(body: ErrorBody) -> bool:
    """Report whether the model takes no parts of the prompt's kind."""
    return bool(UNSUPPORTED_PARTS.search(body.text))


def is_transient(body: ErrorBody) -> bool:
    """Report whether the failure is transient."""
    return _matches(TRANSIENT, body)


def _matches(pattern: re.Pattern[str], body: ErrorBody) -> bool:
    return bool(pattern.search(body.kinds) or pattern.search(body.text))
