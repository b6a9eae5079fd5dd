"""`tokenwire limits`: what the callers of a server have used of their limits."""

import argparse
import difflib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from tokenwire.cli._connection import metrics_address, seconds
from tokenwire.cli._key import token_of_file
from tokenwire.cli._settings import print_problems
from tokenwire.cli._streams import EXIT_FAILED, EXIT_INTERRUPTED, allow_interrupts
from tokenwire.cli._table import table
from tokenwire.cli._text import printable_line
from tokenwire.cli._values import unicode

if TYPE_CHECKING:
    from tokenwire.observability.status import LimitStatus, ProcessStatus

DEFAULT_ADDRESS: Final = "127.0.0.1:9464"
HEAD: Final = ("CALLER", "LIMIT", "USED", "LEFT", "AMOUNT", "SHARE", "WORKER")
NUMBERS: Final = range(2, 7)
DOLLARS: Final = "dollars/"


class LimitRow(NamedTuple):
    """What a caller has used of a limit.

    Attributes:
        worker: The number of the worker that has counted it; None for the server or its store.
        caller: The caller's name.
        limit: The limit.
    """

    worker: int | None
    caller: str
    limit: "LimitStatus"

    @property
    def left(self) -> float:
        """What is left of the limit."""
        return max(self.limit.amount - self.limit.used, 0)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `limits`."""
    parser = subparsers.add_parser(
        "limits",
        help="show what callers have used of their limits",
        description=(
            "Show what each caller with limits, or one of them, has used of them and has left,\n"
            "running calls included. This is read from the metrics port of a server, and needs\n"
            "its TOKENWIRE_STATUS_TOKEN if it has one. With a shared store the numbers are those\n"
            "that the store has told this server last. With --json each line is a JSON object."
        ),
        epilog="exit codes: 0 shown, 1 failed, 2 bad arguments, 130 cancelled by Ctrl-C",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "caller",
        type=unicode,
        nargs="?",
        metavar="CALLER",
        help="only this caller (default: all that have limits)",
    )
    parser.add_argument(
        "--metrics-address",
        type=metrics_address,
        default=DEFAULT_ADDRESS,
        metavar="HOST:PORT",
        help="the metrics port of the server (default: %(default)s)",
    )
    parser.add_argument(
        "--token-file",
        type=token_of_file,
        dest="token",
        metavar="FILE",
        help="the file with the server's status token (default: TOKENWIRE_STATUS_TOKEN)",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="give up after this time without an answer (default: 10)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per limit")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the limits and return the exit code."""
    # Here, so that other subcommands and --help start without it.
    from tokenwire.cli._status import StatusReadError, read_status  # noqa: PLC0415
    from tokenwire.config import SettingsError  # noqa: PLC0415
    from tokenwire.config.status_access import status_token  # noqa: PLC0415

    allow_interrupts()
    try:
        secret = None if args.token else status_token()
    except SettingsError as error:
        return print_problems(error)
    token = args.token or (secret.get_secret_value() if secret else None)
    try:
        processes = read_status(args.metrics_address, token, args.timeout)
    except KeyboardInterrupt:
        return _fail("cancelled", EXIT_INTERRUPTED)
    except StatusReadError as error:
        return _fail(f"error: {error}", EXIT_FAILED)
    if not processes:
        return _fail("error: no worker of the server answers", EXIT_FAILED)
    rows = list(_rows(processes))
    if args.caller is not None:
        names = {row.caller for row in rows}
        rows = [row for row in rows if row.caller == args.caller]
        if not rows:
            return _fail(f"error: {_unknown(args.caller, names)}", EXIT_FAILED)
    for note in _notes(processes, rows):
        print(note, file=sys.stderr)
    if args.json:
        _show_json(rows)
    elif rows:
        _show(rows)
    return 0


def _rows(processes: "Sequence[ProcessStatus]") -> Iterator[LimitRow]:
    """Yield the limits: once if a store counts for all workers, and for each worker otherwise."""
    found = [
        LimitRow(process.worker, caller.name, limit)
        for process in processes
        for caller in process.callers
        for limit in caller.limits
    ]
    if not all(process.limit_store for process in processes):
        yield from found
        return
    latest: dict[tuple[str, str], LimitStatus] = {}
    for _, caller, limit in found:
        key = caller, limit.name
        # A worker that has not asked the store for some time knows less.
        if key not in latest or limit.used > latest[key].used:
            latest[key] = limit
    for (caller, _), limit in latest.items():
        yield LimitRow(None, caller, limit)


def _unknown(caller: str, names: Iterable[str]) -> str:
    similar = difflib.get_close_matches(caller, names, n=1)
    hint = f"; did you mean {similar[0]!r}?" if similar else ""
    return f"the server has no caller {caller!r} with limits{hint}"


def _notes(processes: "Sequence[ProcessStatus]", rows: Sequence[LimitRow]) -> Iterator[str]:
    if not rows:
        yield "No caller has limits."
    elif any(process.limit_store == "away" for process in processes):
        yield "The store of limits is away; it has said this last."


def _show(rows: Sequence[LimitRow]) -> None:
    columns = len(HEAD) if any(row.worker is not None for row in rows) else len(HEAD) - 1
    cells = [
        (
            row.caller,
            row.limit.name,
            _number(row, row.limit.used),
            _number(row, row.left),
            _number(row, row.limit.amount),
            f"{row.limit.share:.0%}",
            str(row.worker),
        )
        for row in rows
    ]
    for line in table([row[:columns] for row in (HEAD, *cells)], NUMBERS):
        print(line)


def _number(row: LimitRow, amount: float) -> str:
    """Return calls or tokens as a whole number, and dollars with four digits after the point."""
    return f"{amount:.{4 if row.limit.name.startswith(DOLLARS) else 0}f}"


def _show_json(rows: Sequence[LimitRow]) -> None:
    for row in rows:
        known = {
            "caller": row.caller,
            "limit": row.limit.name,
            "used": row.limit.used,
            "left": row.left,
            "amount": row.limit.amount,
            "share": row.limit.share,
            "worker": row.worker,
        }
        print(json.dumps(known))


def _fail(line: str, code: int) -> int:
    print(printable_line(line), file=sys.stderr)
    return code
