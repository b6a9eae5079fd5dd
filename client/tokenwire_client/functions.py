"""Lets the model call Python functions.

It needs pydantic: `pip install "tokenwire-client[pydantic]"`.
"""

import inspect
import json
from collections.abc import Callable
from typing import Any

from tokenwire_client.schemas import json_schema
from tokenwire_client.turns import result_turn
from tokenwire_client.v1.chatgpt_pb2 import Tool, ToolCall, Turn

try:
    from pydantic import PydanticUserError, TypeAdapter, ValidationError, validate_call
except ImportError as error:
    raise ImportError(
        'tokenwire_client.functions needs pydantic; pip install "tokenwire-client[pydantic]"'
    ) from error

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Functions:
    """Functions as tools: their descriptions for the model, and the results of its calls.

    A tool has the name of its function, the first paragraph of its docstring, and the schema of
    its arguments, which may have descriptions: `Annotated[str, Field(description="...")]`.

    Args:
        *functions: The functions, which may be `async`. Each argument has a type that pydantic
            knows.
        strict: Whether the upstream must make the arguments fit the schemas. Then every argument
            is required.

    Attributes:
        tools: The tools, for `Client.send` and `Client.ask`.

    Raises:
        TypeError: An argument has no type, a variable number of arguments, or a type that pydantic
            does not know.
        ValueError: Two functions have the same name.
    """

    def __init__(self, *functions: Callable[..., Any], strict: bool = False) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}
        self.tools: list[Tool] = []
        for function in functions:
            name = function.__name__
            if name in self._functions:
                raise ValueError(f"two functions are named {name!r}; rename one of them")
            self.tools.append(_tool(function, strict=strict))
            self._functions[name] = validate_call(function)

    def call(self, call: ToolCall) -> Turn:
        """Run the function of a call and return the turn with its result.

        A text is the result itself; any other value becomes JSON. If the model has named no
        function, or its arguments do not fit, the result says so, and the model may call again.

        Raises:
            TypeError: The function is async; await `acall`. Or its result has no JSON.
            Exception: What the function raises.
        """
        result = self._run(call)
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            raise TypeError(f"{call.name} is async; await `acall` instead of `call`")
        return _turn(call, result)

    async def acall(self, call: ToolCall) -> Turn:
        """Run the function of a call, which may be async; see `call`."""
        result = self._run(call)
        return _turn(call, await result if inspect.isawaitable(result) else result)

    def _run(self, call: ToolCall) -> Any:
        function = self._functions.get(call.name)
        if function is None:
            return f"there is no tool {call.name!r}; there are {', '.join(self._functions)}"
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            return "the arguments must be a JSON object"
        try:
            return function(**arguments)
        except ValidationError as error:
            if error.title != getattr(function, "__name__", error.title):
                # The function's own.
                raise
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            return json.dumps({"invalid arguments": problems}, default=str)


def _tool(function: Callable[..., Any], *, strict: bool) -> Tool:
    name = function.__name__
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in VARIABLE:
            raise TypeError(f"{name}: {parameter} takes any number of arguments; name each of them")
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise TypeError(f"{name}: {parameter.name} has no name for callers; remove the `/`")
        if parameter.annotation is inspect.Parameter.empty:
            raise TypeError(f"{name}: the argument {parameter.name!r} has no type; annotate it")
    kind: Any = function
    try:
        schema = TypeAdapter(kind).json_schema()
    except PydanticUserError as error:
        raise TypeError(f"{name}: {str(error).splitlines()[0]}") from error
    description = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    # pydantic leaves them out of the schema of a function without arguments.
    schema.setdefault("properties", {})
    return Tool(
        name=name,
        description=description,
        parameters=json_schema({"type": "object", **schema}, strict=strict),
        strict=strict,
    )


def _turn(call: ToolCall, result: Any) -> Turn:
    if isinstance(result, str):
        return result_turn(call, result)
    try:
        text = TypeAdapter(Any).dump_json(result).decode()
    except ValueError as error:
        kind = type(result).__qualname__
        raise TypeError(f"{call.name} returned a {kind}, which has no JSON; return text") from error
    return result_turn(call, text)
