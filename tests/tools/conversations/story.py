"""The conversation: what the caller sends and receives, whatever the wire format.

The model reasons and calls two tools at once; it gets their results, reasons again and calls a
third; then it answers in JSON.
"""

from dataclasses import dataclass

from tokenwire.v1 import chatgpt_pb2 as pb

SYSTEM = "Be brief."
QUESTION = "Where is it warmer, in Zürich or in Oslo, and what time is it there?"

WEATHER_SCHEMA = (
    '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],'
    '"additionalProperties":false}'
)
ANSWER_SCHEMA = (
    '{"type":"object","properties":{"city":{"type":"string"},"time":{"type":"string"}},'
    '"required":["city","time"],"additionalProperties":false}'
)
TOOLS = [
    pb.Tool(name="get_weather", description="The weather of a city.", parameters=WEATHER_SCHEMA),
    pb.Tool(name="get_time", description="The time in a city.", parameters=WEATHER_SCHEMA),
]
FIRST_THOUGHT = "Two cities \u2028 two calls."
SECOND_THOUGHT = "Zürich is warmer."
ZURICH = '{"city":"Zürich \\"\u2028 1"}'
OSLO = '{"city":"Oslo"}'
RESULTS = ("18 °C\n\u2028", "3 °C")
TIME = "12:00"
ANSWER = '{"city": "Zürich", "time": "12:00"}'


@dataclass(frozen=True)
class Called:
    """A tool call in an answer."""

    id: str
    name: str
    arguments: str
    index: int


@dataclass(frozen=True)
class Received:
    """What the caller receives of one answer."""

    text: str
    reasoning: str
    calls: list[Called]
    usage: pb.Usage
    finish_reason: pb.FinishReason.ValueType = pb.FINISH_REASON_TOOL_CALLS
    model: str = "model-1"
    has_state: bool = False


def expected(ids: tuple[str, str, str], usages: list[pb.Usage], *, state: bool) -> list[Received]:
    """Return what the caller receives of the three answers.

    Args:
        ids: The ids of the three calls.
        usages: The usage of each answer.
        state: Whether the first two answers have a state.
    """
    first, second, third = ids
    calls = [Called(first, "get_weather", ZURICH, 0), Called(second, "get_weather", OSLO, 1)]
    return [
        Received("", FIRST_THOUGHT, calls, usages[0], has_state=state),
        Received(
            "", SECOND_THOUGHT, [Called(third, "get_time", OSLO, 0)], usages[1], has_state=state
        ),
        Received(ANSWER, "", [], usages[2], pb.FINISH_REASON_STOP, has_state=False),
    ]


def received(answers: list[pb.Answer]) -> Received:
    """Return what the caller received."""
    *_, last = answers
    calls = [
        Called(call.id, call.name, call.arguments, call.index)
        for answer in answers
        for call in answer.tool_calls
    ]
    return Received(
        "".join(answer.content for answer in answers),
        "".join(answer.reasoning for answer in answers),
        calls,
        last.usage,
        last.finish_reason,
        last.model,
        bool(last.state),
    )


def message(history: list[pb.Turn], *, last: bool = False) -> pb.Message:
    """Return a request of the conversation; the last one asks for JSON."""
    form = pb.Format(json_schema=pb.JsonSchema(name="answer", schema=ANSWER_SCHEMA, strict=True))
    return pb.Message(
        content="" if history else QUESTION,
        system=SYSTEM,
        history=history,
        tools=TOOLS,
        reasoning=pb.Reasoning(effort=pb.EFFORT_LOW, show=True),
        format=form if last else None,
    )


def turn_of(answers: list[pb.Answer], *, with_state: bool = True) -> pb.Turn:
    """Return the turn that repeats an answer."""
    return pb.Turn(
        role=pb.ROLE_ASSISTANT,
        content="".join(answer.content for answer in answers),
        tool_calls=[call for answer in answers for call in answer.tool_calls],
        state=answers[-1].state if with_state else b"",
    )


def result(call: pb.ToolCall, content: str) -> pb.Turn:
    """Return the turn with the result of a call."""
    return pb.Turn(role=pb.ROLE_TOOL, tool_call_id=call.id, content=content)
