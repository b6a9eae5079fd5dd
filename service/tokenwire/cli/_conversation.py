import argparse
import asyncio
import contextlib
import re

from tokenwire.cli._answer import describe, make_client
from tokenwire.cli._console import ConsoleOutput
from tokenwire.cli._rounds import answer_message
from tokenwire_client import ChatError, Client, Turn

HELP = """\
/new   start a new conversation
/quit  quit, as does Ctrl-D
/help  show this help
Ctrl-C cancels the answer. A question whose answer was cancelled or failed is not remembered."""


def run_conversation(args: argparse.Namespace) -> int:
    """Run a conversation on the terminal until the user quits; return the exit code."""
    with contextlib.suppress(ImportError):
        # Gives input() line editing and a history.
        import readline  # noqa: F401, PLC0415
    print(f"Talking to {args.address}. /help lists the commands, Ctrl-D quits.")
    with asyncio.Runner() as runner:
        client = make_client(args)
        runner.run(client.open())
        try:
            Conversation(args, runner, client).run()
        finally:
            runner.run(client.close())
    return 0


class Conversation:
    """Reads messages, streams their answers, and keeps the history.

    Messages are read between two runs of the event loop, so input() may block. Ctrl-C during a
    run cancels the answer.
    """

    def __init__(self, args: argparse.Namespace, runner: asyncio.Runner, client: Client) -> None:
        self._args = args
        self._runner = runner
        self._client = client
        self._output = ConsoleOutput()
        self._history: list[Turn] = []

    def run(self) -> None:
        """Read and answer messages until the user quits."""
        while True:
            try:
                line = input("> ").strip()
                if line == "/quit":
                    return
                self._handle(line)
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                # As in a shell, Ctrl-C at the prompt starts a new line.
                print()
            except ValueError as error:
                self._output.note(f"error: {error}")

    def _handle(self, line: str) -> None:
        if line == "/help":
            print(HELP)
        elif line == "/new":
            self._history.clear()
            print("Starting over.")
        elif re.fullmatch(r"/\w+", line):
            self._output.note(f"error: there is no command {line}; /help lists them")
        elif line:
            self._answer(line)

    def _answer(self, message: str) -> None:
        try:
            turns = self._runner.run(
                answer_message(self._client, self._args, message, self._history, self._output)
            )
        except KeyboardInterrupt:
            self._output.note("cancelled")
        except ChatError as error:
            self._output.note(describe(error, self._args))
        else:
            # Only complete turns are kept: a partial answer in the history would lead the model
            # to give partial answers.
            self._history += turns
