"""The retry delay that an upstream asks for."""

import json
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from tokenwire.upstreams.openai.rejection import rejection
from tokenwire.upstreams.openai.waits import retry_after

RETRY_AFTER = [
    ("0", 0.0),
    (" 120 ", 120.0),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ("", None),
    ("-1", None),
    ("1.5", 1.5),
    ("9.", 9.0),
    (".5", None),
    ("1e3", None),
    ("nan", None),
    ("٣", None),
    ("\u00b2", None),
    ("Thu, 32 Jan 1970 00:00:00 GMT", None),
    ("Thu, 01 Jan 2026 00:00:00 +" + "9" * 20, None),
]


def test_retry_after(subtests: pytest.Subtests) -> None:
    """Seconds and dates are parsed; any other value is None, as is a missing header."""
    for value, seconds in RETRY_AFTER:
        with subtests.test(value=value, seconds=seconds):
            assert retry_after({"retry-after": value}) == seconds
            assert retry_after({}) is None


def test_retry_after_a_date(subtests: pytest.Subtests) -> None:
    """A date is converted to the seconds until then."""
    for ahead in (60, 86_400):
        with subtests.test(ahead=ahead):
            seconds = retry_after({"retry-after": formatdate(time.time() + ahead, usegmt=True)})
            assert seconds is not None
            assert ahead - 5 < seconds <= ahead


@pytest.fixture
def _tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_tokyo")
def test_retry_after_a_date_without_a_zone(subtests: pytest.Subtests) -> None:
    """A date without a time zone is UTC, whatever the local time zone is."""
    for zone in ("", " -0000"):
        with subtests.test(zone=zone):
            date = time.strftime("%a, %d %b %Y %H:%M:%S", time.gmtime(time.time() + 60))
            seconds = retry_after({"retry-after": date + zone})
            assert seconds is not None
            assert 55 < seconds <= 60


FORMS: list[tuple[dict[str, str], float]] = [
    ({"retry-after": "45"}, 45),
    ({"retry-after": "9.5"}, 9.5),
    ({"retry-after-ms": "9500", "retry-after": "10"}, 9.5),
    ({"x-ms-retry-after-ms": "9500", "retry-after": "10"}, 9.5),
    ({"retry-after-ms": "soon", "retry-after": "10"}, 10),
    ({}, 24.5),
]


def test_a_wait_in_every_form(subtests: pytest.Subtests) -> None:
    """A delay in a header takes precedence over a delay in the body."""
    for headers, seconds in FORMS:
        with subtests.test(headers=headers, seconds=seconds):
            details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "24.5s"}]
            body = json.dumps({"error": {"message": "Resource exhausted", "details": details}})
            assert rejection(429, headers, body.encode()).retry_after == seconds


WORDS = [
    ("Please try again in 20s. Visit us.", 20),
    ("Please retry after 9 seconds.", 9),
    ("Please try again in 9.5 s", 9.5),
    ("Please try again in 6m0s.", 360),
    ("Please try again in 1m12.5s.", 72.5),
    ("Try again in 300ms", 0.3),
    ("retry in 2 minutes", 120),
    ("Please retry in 24.5s", 24.5),
]


def test_a_wait_in_words(subtests: pytest.Subtests) -> None:
    """A delay in an error message is parsed, and a header takes precedence over it."""
    for text, seconds in WORDS:
        with subtests.test(text=text, seconds=seconds):
            body = json.dumps({"error": {"message": text}}).encode()
            assert rejection(429, {}, body).retry_after == pytest.approx(seconds)
            assert rejection(429, {"retry-after": "7"}, body).retry_after == 7


NO_WAIT = ["try again later", "retry in a moment", "retry after", "try again in 7 moons"]


def test_words_without_a_wait(subtests: pytest.Subtests) -> None:
    """An error message without a number has no delay."""
    for text in NO_WAIT:
        with subtests.test(text=text):
            body = json.dumps({"error": {"message": text}}).encode()
            assert rejection(429, {}, body).retry_after is None
