import argparse
import io
import sys
import time
from collections.abc import Sequence

import grpc

from tokenwire.cli._connection import channel_options, credentials
from tokenwire.cli._diagnosis import diagnose
from tokenwire.cli._interrupt import prompt_interrupts
from tokenwire.cli._text import printable, printable_line
from tokenwire_client import Answer, ChatError, Client, FinishReason

History = Sequence[tuple[str, str]]


class Screen:
    """Shows answers on stdout while they arrive, and all the rest on stderr."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A locale without a character of the answer must not end the answer.
            sys.stdout.reconfigure(errors="backslashreplace")
        self._terminal = sys.stdout.isatty()
        self._mid_line = False

    def show(self, text: str) -> None:
        """Print a piece of an answer; only a terminal needs it made harmless."""
        shown = printable(text) if self._terminal else text
        if shown:
            print(shown, end="", flush=True)
            self._mid_line = not shown.endswith("\n")

    def end_answer(self) -> None:
        """Give the answer its last newline, unless the model wrote one."""
        if self._mid_line:
            self.show("\n")

    def note(self, line: str) -> None:
        """Print one line on stderr, below what was shown of an answer."""
        self.end_answer()
        print(printable_line(line), file=sys.stderr, flush=True)


def make_client(args: argparse.Namespace) -> Client:
    """Make the client that the options describe."""
    return Client(args.address, credentials=credentials(args), options=channel_options(args))


async def stream_answer(
    client: Client, args: argparse.Namespace, text: str, history: History, screen: Screen
) -> str:
    """Show one answer while it arrives, then its statistics, and return its text.

    Ctrl-C cancels it.

    Raises:
        ChatError: The call failed; what had arrived has been shown.
        ValueError: An option's number does not fit, or a text is not valid Unicode.
    """
    pieces: list[str] = []
    timing = Timing()
    end = Answer()
    stream = client.send(
        text,
        history=history,
        system=args.system,
        model=args.model,
        temperature=args.temperature,
        top_p=args.top_p,
        max_tokens=args.max_tokens,
        stop=args.stop,
        seed=args.seed,
        timeout=args.timeout,
    )
    with prompt_interrupts():
        async with stream:
            async for answer in stream:
                if answer.content:
                    timing.piece_arrived()
                    pieces.append(answer.content)
                    screen.show(answer.content)
                end = answer
    screen.end_answer()
    if not args.quiet:
        screen.note(statistics(timing, end))
    return "".join(pieces)


class Timing:
    """When the pieces of an answer arrived, in seconds after it was asked for."""

    def __init__(self) -> None:
        self._asked = time.monotonic()
        self.first: float | None = None
        self.last = 0.0
        self.pieces = 0

    def piece_arrived(self) -> None:
        self.last = time.monotonic() - self._asked
        self.pieces += 1
        if self.first is None:
            self.first = self.last


def statistics(timing: Timing, end: Answer) -> str:
    """Say in one line how fast the answer came, what it used and how it ended."""
    return ", ".join([*_speed(timing, end), *_usage(end), *_finish(end)])


def _speed(timing: Timing, end: Answer) -> list[str]:
    if timing.first is None:
        return ["no text"]
    parts = [f"first token after {timing.first:.2f} s"]
    # Reasoning tokens count as output but are never shown. Without the upstream's
    # count, pieces are what can honestly be counted.
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
    """Say in one line what failed and, where no server said it, why and what to do."""
    if error.code is grpc.StatusCode.UNAVAILABLE and not error.reason and not error.request_id:
        return f"error: UNAVAILABLE: {diagnose(args)}"
    return f"error: {error}"
