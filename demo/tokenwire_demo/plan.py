"""Parses plans such as `tokens 3; stall` into steps."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tokenwire_demo.arguments import ArgumentError, build, syntax
from tokenwire_demo.request import CompletionRequest
from tokenwire_demo.scenarios import SCENARIOS
from tokenwire_demo.step import STEPS, Kind, Step
from tokenwire_demo.steps import ScenarioStep

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"([A-Za-z][\w-]*)=")
_BARE = re.compile(r"[^\s;\"]+")
_decode_json = json.JSONDecoder().raw_decode


class PlanError(ValueError):
    """A plan is invalid. The message names the step and says what is allowed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A parsed plan."""

    text: str
    steps: tuple[Step, ...]

    def check(self, request: CompletionRequest, *, chunks: bool) -> None:
        """Check that the plan is valid for a request.

        Args:
            request: The request.
            chunks: Whether a stream has the chunks of a chat completion.

        Raises:
            PlanError: A step writes events that the answer does not have.
            RequestError: A step cannot use the request's tools.
        """
        for step in self.steps:
            if step.needs_stream and not request.stream:
                raise PlanError(f'step {step.keyword!r} needs a request with "stream": true')
            if step.needs_chunks and not chunks:
                raise PlanError(f"step {step.keyword!r} needs a request to /v1/chat/completions")
            step.check(request)


def parse_plan(text: str) -> Plan:
    """Parse a plan.

    Raises:
        PlanError: The plan is invalid.
    """
    steps = tuple(_steps(text))
    if not steps:
        raise PlanError("the plan is empty; an example: tokens 3; reset")
    _check_order(steps)
    return Plan(text.strip(), steps)


def _steps(text: str) -> Iterator[Step]:
    for words in _split(text):
        keyword = words[0][1]
        if words[0][0] is not None or keyword not in STEPS:
            raise PlanError(f"unknown step {keyword!r}; the steps are: {', '.join(STEPS)}")
        try:
            step = build(STEPS[keyword], words[1:])
        except ArgumentError as error:
            usage = syntax(STEPS[keyword])
            raise PlanError(f"bad step {keyword!r}: {error}; write: {usage}") from None
        if isinstance(step, ScenarioStep):
            if step.name not in SCENARIOS:
                raise PlanError(f"unknown scenario {step.name!r}; they are: {', '.join(SCENARIOS)}")
            yield from _steps(SCENARIOS[step.name].plan)
        else:
            yield step


def _check_order(steps: tuple[Step, ...]) -> None:
    sent = ended = ""
    for step in steps:
        if ended:
            raise PlanError(
                f"step {step.keyword!r} is unreachable, because {ended!r} ends the plan"
            )
        if sent and step.kind in (Kind.OPENING, Kind.WHOLE):
            raise PlanError(
                f"step {step.keyword!r} must come before anything is sent, but follows {sent!r}"
            )
        if step.kind is not Kind.SETTING:
            sent = step.keyword
        if step.kind in (Kind.ENDING, Kind.WHOLE):
            ended = step.keyword


def _split(text: str) -> Iterator[list[tuple[str | None, object]]]:
    """Yield the words of each step: the name, or None, and the value of each word.

    A value that begins like a JSON string, object or array is decoded as JSON.
    """
    words: list[tuple[str | None, object]] = []
    at = _skip_space(text, 0)
    while at < len(text):
        if text[at] == ";":
            if words:
                yield words
            words = []
            at += 1
        else:
            name = _NAME.match(text, at)
            value, at = _value(text, name.end() if name else at)
            words.append((name[1] if name else None, value))
        at = _skip_space(text, at)
    if words:
        yield words


def _value(text: str, at: int) -> tuple[object, int]:
    if at < len(text) and text[at] in '"{[':
        try:
            return _decode_json(text, at)
        except (ValueError, RecursionError) as error:
            raise PlanError(f"bad JSON in the plan at {text[at : at + 30]!r}: {error}") from None
    bare = _BARE.match(text, at)
    return (bare[0], bare.end()) if bare else ("", at)


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
