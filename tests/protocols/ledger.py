"""What calls leave behind: each one error, one log line and one usage record, and nothing more."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from protocols.drivers.base import ProtocolMethod
from support.exposed import Exposed
from support.waiting import within
from tokenwire.app import App
from tokenwire.observability.usage.record import UsageRecord

CallEnding: TypeAlias = tuple[ProtocolMethod, tuple[str, str]]
"""A method, and the code and the reason of a call of it."""
WITHOUT_RECORD: Final = frozenset(
    {"CREDENTIALS_MISSING", "CREDENTIALS_INVALID", "CREDENTIALS_EXPIRED"}
)
"""The reasons with which a call has no usage record."""
RECORD_SECONDS: Final = 20
"""How long the disk may take for what was written before a record."""


class Ledger(logging.Handler):
    """Compares what a server counts, logs and records with the calls that were made.

    Args:
        app: The server.
        usage_file: The file of its usage records.
        earlier: How many records earlier calls have. They may not be in the file yet.
    """

    def __init__(self, app: App, usage_file: Path, earlier: int) -> None:
        super().__init__()
        self._app = app
        self._usage_file = usage_file
        self._lines: list[tuple[str, str, str]] = []
        self._before = Exposed(list(app.metrics.registry.collect()))
        self._records = earlier

    def emit(self, record: logging.LogRecord) -> None:
        """Collect the line of a call."""
        fields = vars(record)
        self._lines.append((fields["method"], fields["code"], fields["reason"]))

    async def check(self, calls: Iterable[CallEnding]) -> None:
        """Check what these calls have added since the last check, which are all that were made."""
        calls = list(calls)
        endings = [(method, code, reason or code) for method, (code, reason) in calls]
        expected = Counter((method.name, code, reason) for method, code, reason in endings)
        await within(10, "nothing in flight", self._is_idle)
        await within(10, "each call has a line", lambda: Counter(self._lines) == expected)
        self._lines.clear()
        self._check_metrics(endings)
        recorded = +Counter(
            {each: n for each, n in expected.items() if each[2] not in WITHOUT_RECORD}
        )
        await within(
            RECORD_SECONDS, "each call has a record", lambda: self._fresh_records() == recorded
        )
        self._records += recorded.total()

    async def last_record(self) -> UsageRecord:
        """Return the record of the last call."""
        await within(
            RECORD_SECONDS, "the call has a record", lambda: bool(self._records_since_check())
        )
        return self._records_since_check()[-1]

    def _is_idle(self) -> bool:
        registry = self._app.metrics.registry
        gauges = ("streams_in_flight", "queue_length", "request_bytes_in_flight")
        return not any(registry.get_sample_value(f"tokenwire_{name}") for name in gauges)

    def _check_metrics(self, endings: list[tuple[ProtocolMethod, str, str]]) -> None:
        """Check that each counter of calls is up by the number of these calls, and no other."""
        after = Exposed(list(self._app.metrics.registry.collect()))
        for name, labels, expected in (
            (
                "tokenwire_errors_total",
                ("grpc_code", "reason"),
                Counter((code, reason) for _, code, reason in endings if code != "OK"),
            ),
            (
                "grpc_server_handled_total",
                ("grpc_service", "grpc_method", "grpc_code"),
                Counter((method.service, method.name, code) for method, code, _ in endings),
            ),
            (
                "grpc_server_started_total",
                ("grpc_service", "grpc_method"),
                Counter((method.service, method.name) for method, _, _ in endings),
            ),
        ):
            assert self._risen(after, name, labels) == expected, name
        assert sum(self._risen(after, "tokenwire_calls_total", ("outcome",)).values()) == len(
            endings
        )
        self._before = after

    def _risen(self, after: Exposed, name: str, labels: tuple[str, ...]) -> Counter[object]:
        risen: Counter[object] = Counter()
        for key, value in after.values.items():
            if key[0] == name:
                own = dict(key[1])
                risen[tuple(own[label] for label in labels)] += int(
                    value - self._before.values.get(key, 0)
                )
        return +risen

    def _fresh_records(self) -> Counter[tuple[str, str, str]]:
        return Counter(
            (each.method, each.status, each.reason) for each in self._records_since_check()
        )

    def _records_since_check(self) -> list[UsageRecord]:
        # The last line may be half written.
        *lines, _ = self._usage_file.read_bytes().split(b"\n")
        return [msgspec.json.decode(line, type=UsageRecord) for line in lines[self._records :]]


@contextmanager
def keep_ledger(app: App, usage_file: Path, earlier: int = 0) -> Iterator[Ledger]:
    """Begin to compare what a server leaves behind; no call may be running.

    Args:
        app: See `Ledger`.
        usage_file: See `Ledger`.
        earlier: See `Ledger`.
    """
    ledger = Ledger(app, usage_file, earlier)
    logger = logging.getLogger("tokenwire.call")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(ledger)
    try:
        yield ledger
    finally:
        logger.removeHandler(ledger)
        logger.setLevel(level)
