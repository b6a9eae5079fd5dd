"""Text that Python would write to stderr becomes a line of JSON without exception messages."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

SET_UP = """
import sys, threading, traceback, warnings
from tokenwire.observability.logs import hooks
from tokenwire.observability import logs
from tokenwire import config
logs.configure(config.load(base_url="http://127.0.0.1:1/v1", log_format="json"))
hooks.install()
def fail():
    raise ValueError("canary")
"""

ACTIONS = {
    "a warning": ('warnings.warn("canary")', "python warning"),
    "a thread": (
        "t = threading.Thread(target=fail); t.start(); t.join()",
        "exception ended a thread",
    ),
    "a finalizer": (
        "kind = type('T', (), {'__del__': lambda self: fail()}); kind()",
        "unraisable exception",
    ),
    "a print": ('print("canary", file=sys.stderr)', "text for stderr withheld"),
    "a traceback": (
        "try:\n    fail()\nexcept ValueError:\n    traceback.print_exc()",
        "text for stderr withheld",
    ),
    "the end": ("fail()", "exception ended the process"),
}


def logged_by(action: str) -> tuple[list[dict[str, Any]], int]:
    process = subprocess.run(
        [sys.executable, "-c", SET_UP + action],
        check=False,
        capture_output=True,
        text=True,
        timeout=45,
        env=dict(os.environ),
    )
    assert process.stdout == ""
    assert "canary" not in process.stderr
    return [json.loads(line) for line in process.stderr.splitlines()], process.returncode


def test_what_python_prints_is_a_line(subtests: pytest.Subtests) -> None:
    """The line has a level, an event and a location but not the text, and the process continues."""
    for name, (action, event) in ACTIONS.items():
        with subtests.test(name=name):
            entries, code = logged_by(action)
            assert code == (1 if name == "the end" else 0)
            assert {entry["event"] for entry in entries} == {event}
            assert all(entry["logger"] == "tokenwire.python" for entry in entries)
            entry = entries[0]
            if "exception" in event:
                assert entry["exception"] == "ValueError"
                assert entry["frames"][-1].endswith(" fail")
            else:
                assert entry["where"].startswith("<string>:")


def test_a_flood_of_them_is_bounded() -> None:
    """A flood of such events is logged in a bounded number of lines."""
    entries, _ = logged_by("for _ in range(1000): print('canary', file=sys.stderr)")
    assert 20 <= len(entries) < 40


def test_the_last_lines_are_written_at_the_end() -> None:
    """Every line logged before the process exits is written."""
    entries, _ = logged_by("for n in range(2000): logs.log.warning('line', extra={'number': n})")
    assert [entry["number"] for entry in entries] == list(range(2000))
