"""What the words of an upstream's error mean, in any provider's language."""

import re
from typing import Final

from tokenwire.upstreams.openai import parameters
from tokenwire.upstreams.openai.error_body import ErrorBody


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


THROTTLED: Final = _words(
    r"""throttl | concurren | too.?many.?requests | \bwait\b | (?<![a-z])rate(?![a-z]) | slow.?down
    | \b[rt]p[smd]\b | \bper[ -](second|minute|min|hour|day)\b | (retry|try\ again)\ (in|after)\b"""
)
MONEY: Final = _words(
    r"""balance | recharg | \bfunds\b | prepaid | \bbudget | billing | \bcredits?\b | quota
    | payment | arrear | overdue | top.?up | (usage|spend(ing)?).(limit|cap)"""
)
MONEY_BY_NAME: Final = _words(
    r"""insufficient.?(quota|funds) | exceeded.{0,9}quota | balance | billing | credit | payment
    | arrear | overdue"""
)
"""Names of errors that are about money, whatever else their sentences speak of."""

POLICY: Final = _words(
    r"""inspection | \brisks?\b | moderat | \bfilter | content.?(filter|polic) | safety | flagged
    | inappropriate | harmful | guardrail | jailbreak | (?<!case[- ])sensitive | prohibited
    | responsible.?ai | invalid_prompt | usage\ polic"""
)
POLICY_OF_PROMPTS: Final = _words(r"moderat | flagged | content.?(filter|polic)")
"""Fewer words: without those that others than models use of their policies."""

TOO_LONG_BY_NAME: Final = _words(
    r"""context.?(length|window|size) | tokens?.?limit
    | (prompt|input|context|request).{0,20}(exceed|too.?(long|large))"""
)
TOO_LONG: Final = _words(
    r"""context.{0,3}(length|window|size|limit)
    | \b(prompt|inputs?|context|messages?)\W{0,3}(tokens?\W)?(length|count|size|tokens?)\b
    | \b(prompt|inputs?|request|messages?|you)\b[^.]{0,40}\b\d+\ (input\ )?tokens\b
    | \btokens\ (in|of|from)\ (the\ |your\ )?(prompt|input|messages?)\b"""
)
"""Words that are about the prompt alone."""
TOO_LONG_OF_SOMETHING: Final = _words(
    r"""too.long | above.max.length | too\ many\ tokens | tokens?.limit | maximum.{0,20}tokens
    | tokens\ to\ keep | reduce\ the\ (length|size)
    | \b(prompt|inputs?|request|messages?|conversation|content)\b[^.]{0,60}
      (too\ (large|many)|(long|larg|great)er\ than|more\ than|exceed)"""
)
"""Words that are about the prompt unless the error names another field."""

NO_SUCH_MODEL: Final = _words(
    r"""model.{0,100}(not.?found|not.?exist) | (unknown|no.such|invalid).model\b"""
)
LATER: Final = _words(
    r"overload | capacity | try\ again\ later | temporar | unavailable | \bbusy\b | \bloading\b"
)


def is_about_money(said: ErrorBody) -> bool:
    """Tell whether money or a quota is used up, so that waiting does not help."""
    if MONEY_BY_NAME.search(said.kinds):
        return True
    # Some call their rate limits quotas, or sell a higher one.
    return _says(MONEY, said) and not is_about_rate(said)


def is_about_rate(said: ErrorBody) -> bool:
    """Tell whether requests or tokens come too fast, so that waiting helps."""
    return _says(THROTTLED, said)


def is_about_policy(said: ErrorBody) -> bool:
    """Tell whether the prompt is against a policy."""
    return _says(POLICY, said)


def is_about_policy_alone(said: ErrorBody) -> bool:
    """Tell the same of a 403, which may also be about the policy of an organisation."""
    return _says(POLICY_OF_PROMPTS, said)


def is_about_length(said: ErrorBody) -> bool:
    """Tell whether the prompt is too long; another field that is too long does not count."""
    if TOO_LONG_BY_NAME.search(said.kinds):
        return True
    if parameters.is_of_another_field(said):
        return False
    if TOO_LONG.search(said.text):
        return True
    return _says(TOO_LONG_OF_SOMETHING, said) and not parameters.mentions_another_field(said)


def is_about_model(said: ErrorBody) -> bool:
    """Tell whether there is no such model."""
    return _says(NO_SUCH_MODEL, said)


def is_passing(said: ErrorBody) -> bool:
    """Tell whether the upstream has trouble that will pass."""
    return _says(LATER, said)


def _says(words: re.Pattern[str], said: ErrorBody) -> bool:
    return bool(words.search(said.kinds) or words.search(said.text))
