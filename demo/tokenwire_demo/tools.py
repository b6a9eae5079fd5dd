"""The tools of a request, and the calls that the demo model makes of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any, Final, Literal

from tokenwire_demo.answer_format import schema_instance, spaced_json
from tokenwire_demo.request_error import RequestError
from tokenwire_demo.schema import Samples

MAX_CALLS: Final = 8
"""The most calls that the demo model makes at once on its own."""
_SIGNIFICANT_LENGTH: Final = 4
_MAX_WORD_LENGTH: Final = 100
_NAME_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+")
_INTEGER: Final = re.compile(r"(?<!\S)-?\d{1,9}(?!\w)")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call. Its values may be wrong on purpose.

    Attributes:
        name: The tool's name; empty: the field is missing.
        arguments: The JSON text of the arguments.
        id: The id; empty: the field is missing.
        index: The place among the calls.
    """

    name: str
    arguments: str
    id: str
    index: int

    def as_json(self, arguments: str | None = None) -> dict[str, Any]:
        """Return the call of a chat completion, with other arguments if they are given."""
        function = {"name": self.name} if self.name else {}
        identity = {"id": self.id} if self.id else {}
        text = self.arguments if arguments is None else arguments
        return {**identity, "type": "function", "function": {**function, "arguments": text}}


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool.

    Attributes:
        name: Its name.
        parameters: The schema of its arguments; None if it has none.
        param: The name of the request's parameter that has the schema.
    """

    name: str
    parameters: object | None
    param: str

    def call(self, prompt: str, call_id: str, index: int) -> Call:
        """Return a call whose arguments fit the schema and are from a prompt, where they may be.

        Raises:
            RequestError: The schema is malformed or over a limit, or has no instance.
        """
        schema = {} if self.parameters is None else self.parameters
        if isinstance(schema, dict):
            schema = {"type": "object", **schema}
        value = schema_instance(schema, self.param, samples=_samples(prompt))
        if not isinstance(value, dict):
            raise RequestError(f"{self.param} must be a schema of an object", self.param)
        return Call(self.name, spaced_json(value), call_id, index)

    def is_named_in(self, words: frozenset[str]) -> bool:
        """Return whether a text has a word of the name, apart from short ones such as `get`."""
        own = [word.lower() for word in _NAME_WORD.findall(self.name)]
        significant = [word for word in own if len(word) >= _SIGNIFICANT_LENGTH] or own
        return self.name.lower() in words or any(word in words for word in significant)


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of a request, and what it says about their use.

    Attributes:
        tools: The tools.
        choice: Whether to call any.
        parallel: Whether several may be called at once.
    """

    tools: tuple[OfferedTool, ...] = ()
    choice: Literal["auto", "none", "required"] = "auto"
    parallel: bool = True

    def calls(self, prompt: str, *, earlier: int, answered: bool) -> tuple[Call, ...]:
        """Return the calls that the demo model makes.

        Args:
            prompt: The last message of the user.
            earlier: The number of calls in the conversation, which ids continue.
            answered: Whether the last messages are results of tools.

        Raises:
            RequestError: A called tool has a schema that gets no instance.
        """
        if not self.tools or self.choice == "none" or (self.choice == "auto" and answered):
            return ()
        words = frozenset(re.findall(r"\w+", prompt.lower()))
        named = [tool for tool in self.tools if tool.is_named_in(words)]
        if not named and self.choice == "required":
            named = list(self.tools[:1])
        return _numbered(named[: MAX_CALLS if self.parallel else 1], prompt, earlier)

    def in_turn(self, count: int, prompt: str, *, earlier: int) -> tuple[Call, ...]:
        """Return `count` calls of the tools in turn; of a tool `lookup` if there are none.

        Raises:
            RequestError: A called tool has a schema that gets no instance.
        """
        tools = self.tools[: min(count, MAX_CALLS)] or (OfferedTool("lookup", None, ""),)
        once = _numbered(tools, prompt, earlier)
        return tuple(
            replace(call, id=_call_id(earlier, index), index=index)
            for index, call in enumerate(islice(cycle(once), count))
        )


NO_TOOLS: Final = Toolbox()


def _numbered(tools: Sequence[OfferedTool], prompt: str, earlier: int) -> tuple[Call, ...]:
    return tuple(
        tool.call(prompt, _call_id(earlier, index), index) for index, tool in enumerate(tools)
    )


def _call_id(earlier: int, index: int) -> str:
    """Return an id that no call in the conversation has."""
    return f"call_demo_{earlier + index + 1}"


def _samples(prompt: str) -> Samples:
    words = re.findall(r"\w[\w'-]*", prompt)
    found = _INTEGER.search(prompt)
    return Samples(
        text=words[-1][:_MAX_WORD_LENGTH] if words else "simulated",
        number=int(found[0]) if found else 1,
    )


def parse_toolbox(body: Mapping[str, Any]) -> Toolbox:
    """Return the tools of a request of either API.

    Raises:
        RequestError: A tool or the choice is malformed, or the choice names another tool.
    """
    choice = body.get("tool_choice")
    if not body.get("tools"):
        if choice not in (None, "none", "auto"):
            raise RequestError("tool_choice needs tools", "tool_choice")
        return NO_TOOLS
    if not isinstance(body["tools"], list):
        raise RequestError("tools must be a list", "tools")
    tools = tuple(_tools(body["tools"]))
    parallel = body.get("parallel_tool_calls") is not False
    match choice:
        case None | "auto":
            return Toolbox(tools, "auto", parallel)
        case "none" | "required":
            return Toolbox(tools, choice, parallel)
        case {"type": "function", "function": {"name": name}} | {"type": "function", "name": name}:
            chosen = tuple(tool for tool in tools if tool.name == name)[:1]
            if not chosen:
                raise RequestError("tool_choice names a tool that tools lacks", "tool_choice")
            return Toolbox(chosen, "required", parallel)
    raise RequestError("tool_choice must be none, auto, required or a function", "tool_choice")


def _tools(values: list[Any]) -> Iterator[OfferedTool]:
    """Yield the functions. Built-in tools, such as a search of the web, are never called."""
    for number, value in enumerate(values):
        match value:
            case {"type": "function", "function": {"name": str(name), **rest}} if name:
                path = f"tools[{number}].function.parameters"
            case {"type": "function", "name": str(name), **rest} if name:
                path = f"tools[{number}].parameters"
            case {"type": str(kind)} if kind != "function":
                continue
            case _:
                raise RequestError(f"tools[{number}] must be a function with a name", "tools")
        yield OfferedTool(name, rest.get("parameters"), path)
