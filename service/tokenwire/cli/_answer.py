import argparse
import time
from collections.abc import Sequence

import grpc

from tokenwire.cli._connection import channel_options, credentials
from tokenwire.cli._console import ConsoleOutput
from tokenwire.cli._diagnosis import diagnose
from tokenwire.cli._interrupt import prompt_interrupts
from tokenwire_client import (
    Answer,
    ChatError,
    Client,
    Effort,
    FinishReason,
    Format,
    JsonSchema,
    Reasoning,
    Tool,
    ToolCall,
    Turn,
)


def make_client(args: argparse.Namespace) -> Client:
    """Return a client for the server that the options name."""
    return Client(
        args.address,
        credentials=credentials(args),
        key=args.key,
        token_file=args.token_file,
        options=channel_options(args),
    )


async def stream_answer(
    client: Client,
    args: argparse.Namespace,
    question: Turn,
    history: Sequence[Turn],
    output: ConsoleOutput,
) -> Answer:
    """Print one answer as it arrives, then its statistics, and return the whole of it.

    Ctrl-C cancels the call.

    Args:
        client: The client to call with.
        args: The parsed options of `chat`.
        question: The message of the user; empty if the history ends with results of tools.
        history: The earlier turns.
        output: Where the answer is printed.

    Raises:
        ChatError: The call failed; the part of the answer that arrived was printed.
        ValueError: A number is out of range, or a text is not valid Unicode.
    """
    pieces: list[str] = []
    calls: list[ToolCall] = []
    timing = Timing()
    end = Answer()
    stream = client.send(
        question.content,
        history=history,
        system=args.system,
        model=args.model,
        temperature=args.temperature,
        top_p=args.top_p,
        max_tokens=args.max_tokens,
        stop=args.stop,
        seed=args.seed,
        parts=question.parts,
        tools=[
            Tool(name=each.name, description=each.description, parameters=each.parameters)
            for each in args.tool
        ],
        format=_format(args),
        reasoning=_reasoning(args),
        timeout=args.timeout,
    )
    with prompt_interrupts():
        async with stream:
            async for answer in stream:
                if answer.reasoning:
                    output.show_reasoning(answer.reasoning)
                if answer.content:
                    timing.piece_arrived()
                    pieces.append(answer.content)
                    output.show(answer.content)
                for call in answer.tool_calls:
                    calls.append(call)
                    output.show_call(call.id, call.name, call.arguments)
                end = answer
    output.end_answer()
    if not args.quiet:
        output.note(statistics(timing, end))
    return Answer(content="".join(pieces), tool_calls=calls, state=end.state)


def _format(args: argparse.Namespace) -> Format | None:
    return None if args.schema is None else Format(json_schema=JsonSchema(schema=args.schema))


def _reasoning(args: argparse.Namespace) -> Reasoning | None:
    if args.effort is None and not args.think:
        return None
    effort = Effort.Value(f"EFFORT_{(args.effort or 'unspecified').upper()}")
    return Reasoning(effort=effort, show=args.think)


class Timing:
    """The arrival times of an answer's pieces, in seconds since the call started.

    Attributes:
        first: The time of the first piece; None before it.
        last: The time of the latest piece.
        pieces: The number of pieces.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.first: float | None = None
        self.last = 0.0
        self.pieces = 0

    def piece_arrived(self) -> None:
        """Record the arrival of a piece."""
        self.last = time.monotonic() - self._started
        self.pieces += 1
        if self.first is None:
            self.first = self.last


def statistics(timing: Timing, end: Answer) -> str:
    """Return one line with the answer's speed, token usage and finish reason."""
    return ", ".join([*_speed(timing, end), *_usage(end), *_finish(end)])


def _speed(timing: Timing, end: Answer) -> list[str]:
    if timing.first is None:
        return ["no text"]
    parts = [f"first token after {timing.first:.2f} s"]
    # Reasoning tokens count as output, but not as the answer. Without a usage report
    # the number of tokens is unknown, because one piece may hold several.
    shown, unit = timing.pieces, "pieces"
    if end.HasField("usage"):
        shown, unit = end.usage.output_tokens - end.usage.reasoning_tokens, "tokens"
    elapsed = timing.last - timing.first
    if shown > 1 and elapsed > 0:
        parts.append(f"{(shown - 1) / elapsed:.1f} {unit}/s")
    return parts


def _usage(end: Answer) -> list[str]:
    if not end.HasField("usage"):
        return ["usage not reported"]
    usage = end.usage
    cached = f" ({usage.cached_input_tokens} cached)" if usage.cached_input_tokens else ""
    reasoning = f" ({usage.reasoning_tokens} reasoning)" if usage.reasoning_tokens else ""
    return [f"{usage.input_tokens} tokens in{cached}", f"{usage.output_tokens} out{reasoning}"]


def _finish(end: Answer) -> list[str]:
    match end.finish_reason:
        case FinishReason.FINISH_REASON_STOP:
            return []
        case FinishReason.FINISH_REASON_UNSPECIFIED:
            return ["finish reason not reported"]
        case known if known in FinishReason.values():
            return [f"finish reason {FinishReason.Name(known).removeprefix('FINISH_REASON_')}"]
        case newer:
            return [f"finish reason {newer}"]


def describe(error: ChatError, args: argparse.Namespace) -> str:
    """Return one line that describes an error.

    If no server sent the error, the line has the cause of the failed connection and a remedy.
    """
    if error.code is grpc.StatusCode.UNAVAILABLE and not error.reason and not error.request_id:
        return f"error: UNAVAILABLE: {diagnose(args)}"
    return f"error: {error}"
