import argparse
import sys

from tokenwire.cli._connection import add_connection_options, seconds, silence_grpc
from tokenwire.cli._files import image, text_file, tool, tool_result
from tokenwire.cli._key import add_key_options
from tokenwire.cli._streams import allow_interrupts
from tokenwire.cli._values import integer, real, unicode


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `chat`."""
    parser = subparsers.add_parser(
        "chat",
        help="talk to a model through a tokenwire server",
        description=(
            "Stream a model's answer to the terminal. The answer goes to stdout; time to first\n"
            "token, tokens per second, usage and the reasoning go to stderr.\n"
            "\n"
            "Without TEXT on a terminal, start a conversation: /help lists its commands, Ctrl-C\n"
            "cancels an answer, Ctrl-D quits."
        ),
        epilog=(
            "examples:\n"
            '  tokenwire chat "Why is the sky blue?"\n'
            '  tokenwire chat --system "Answer in one sentence." < question.txt\n'
            '  tokenwire chat --image photo.jpg "What is this?"\n'
            "\n"
            "exit codes: 0 answered, 1 failed, 2 bad arguments, 130 cancelled by Ctrl-C"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "text",
        nargs="?",
        type=unicode,
        metavar="TEXT",
        help="the message; - reads it from stdin, the default if stdin is not a terminal",
    )
    add_connection_options(parser)
    add_key_options(parser)
    _add_answer_options(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="cancel an answer after this time (default: no timeout)",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="print only answers and errors, no statistics"
    )
    parser.set_defaults(run=run)


def _add_answer_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group(
        "the answer", "The server has a default for each of these options."
    )
    options.add_argument(
        "--model", type=unicode, default="", metavar="NAME", help="the model to ask"
    )
    options.add_argument(
        "--system", type=unicode, metavar="TEXT", help='the system prompt; "" for none'
    )
    options.add_argument("--temperature", type=real, metavar="T", help="0 to 2")
    options.add_argument("--top-p", type=real, metavar="P", help="above 0 and up to 1")
    options.add_argument(
        "--max-tokens", type=integer(32), metavar="N", help="the most tokens to generate"
    )
    options.add_argument(
        "--stop",
        action="append",
        type=unicode,
        default=[],
        metavar="TEXT",
        help="end the answer where this text appears; may be given up to 4 times",
    )
    options.add_argument("--seed", type=integer(64), metavar="N", help="for repeatable sampling")
    options.add_argument(
        "--image",
        action="append",
        type=image,
        default=[],
        metavar="FILE",
        help="an image for the first message; may be given several times",
    )
    options.add_argument(
        "--schema",
        type=text_file,
        metavar="FILE",
        help="a JSON Schema that the answer must fit",
    )
    options.add_argument(
        "--tool",
        action="append",
        type=tool,
        default=[],
        metavar="FILE",
        help="a tool that the model may call, in JSON; its calls are printed as lines of JSON; "
        "may be given several times",
    )
    options.add_argument(
        "--tool-result",
        action="append",
        type=tool_result,
        default=[],
        metavar="NAME=TEXT",
        help="the result of a tool, which is returned to the model when it calls the tool",
    )
    options.add_argument(
        "--effort",
        choices=("none", "minimal", "low", "medium", "high", "xhigh"),
        help="how much the model reasons",
    )
    options.add_argument(
        "--think", action="store_true", help="show the model's reasoning, on stderr"
    )


def run(args: argparse.Namespace) -> int:
    """Answer one message or hold a conversation, and return the exit code."""
    silence_grpc()
    # Here, so that other subcommands and --help start without gRPC.
    from tokenwire.cli import _conversation, _once  # noqa: PLC0415

    allow_interrupts()
    if args.text is None and sys.stdin.isatty() and sys.stdout.isatty():
        return _conversation.run_conversation(args)
    return _once.answer(args)
