import io
import json
import sys
from typing import Final

from tokenwire.cli._text import printable, printable_line

DIM: Final = "\x1b[2m"
RESET: Final = "\x1b[0m"


class ConsoleOutput:
    """Prints answers to stdout as they arrive, and everything else to stderr."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A character that the locale's encoding lacks must not fail the answer.
            sys.stdout.reconfigure(errors="backslashreplace")
        self._terminal = sys.stdout.isatty()
        self._dim: bool | None = None
        self._mid_line = False
        self._mid_reasoning = False

    def show(self, text: str) -> None:
        """Print a part of an answer; on a terminal, control characters are escaped."""
        self._end_reasoning()
        shown = printable(text) if self._terminal else text
        if shown:
            print(shown, end="", flush=True)
            self._mid_line = not shown.endswith("\n")

    def show_reasoning(self, text: str) -> None:
        """Print a part of the model's reasoning to stderr, dimmed on a terminal."""
        if self._mid_line and not self._mid_reasoning:
            # Not on stdout, which has the answer alone.
            print(file=sys.stderr)
        if self._dim is None:
            self._dim = sys.stderr.isatty() and not _no_color()
        shown = printable(text)
        print(f"{DIM}{shown}{RESET}" if self._dim else shown, end="", file=sys.stderr, flush=True)
        self._mid_reasoning = not shown.endswith("\n")

    def show_call(self, call_id: str, name: str, arguments: str) -> None:
        """Print a tool call as a line of JSON."""
        self.end_answer()
        call = {"id": call_id, "name": name, "arguments": json.loads(arguments)}
        print(json.dumps(call), flush=True)

    def end_answer(self) -> None:
        """Print a final newline unless the answer ends with one."""
        self._end_reasoning()
        if self._mid_line:
            self.show("\n")

    def note(self, line: str) -> None:
        """End the answer, and print one line to stderr."""
        self.end_answer()
        print(printable_line(line), file=sys.stderr, flush=True)

    def _end_reasoning(self) -> None:
        if self._mid_reasoning:
            print(file=sys.stderr, flush=True)
            self._mid_reasoning = False


def _no_color() -> bool:
    # Imported here because the settings load slowly, and most answers show no reasoning.
    from tokenwire.config.terminal import no_color  # noqa: PLC0415

    return no_color()
