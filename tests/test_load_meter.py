"""What the load reports of ORCA count and average."""

import pytest

from support.call_records import ended_call
from tokenwire.server import load_meter
from tokenwire.server.load_meter import IDLE_SECONDS, MIN_RPS, WINDOW_SECONDS, LoadMeter
from tokenwire.xds.orca_load_report_pb2 import OrcaLoadReport

SLOTS = 4


class Clock:
    """A clock in place of the module `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return the time that the test has set."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(load_meter, "time", clock)
    return clock


@pytest.fixture
def meter(clock: Clock) -> LoadMeter:
    del clock
    return LoadMeter(SLOTS, in_calls=True)


def finish(meter: LoadMeter, status: str = "OK", reason: str = "", *, asked: bool = True) -> None:
    """End a call that the meter has counted as begun."""
    meter.observe(ended_call(status, reason, asked=asked))


async def test_rates_are_of_the_last_seconds(clock: Clock, meter: LoadMeter) -> None:
    """Ten calls per second for a minute are reported as ten, and almost none a minute later."""
    meter.start()  # so that the server is not idle
    for _ in range(600):
        clock.now += 0.1
        meter.start()
        finish(meter)
    assert meter.report().rps_fractional == pytest.approx(10, rel=0.02)
    clock.now += 60
    assert meter.report().rps_fractional == pytest.approx(0, abs=0.03)


async def test_utilization_is_of_the_last_seconds(clock: Clock, meter: LoadMeter) -> None:
    """Slots that are taken count fully once they have been for long, and so do free ones."""
    for _ in range(SLOTS):
        meter.start()
    assert meter.report().application_utilization == 0
    clock.now += WINDOW_SECONDS
    assert meter.report().application_utilization == pytest.approx(0.632, abs=0.001)
    clock.now += 100
    assert meter.report().application_utilization == pytest.approx(1, abs=0.001)
    finish(meter)
    clock.now += 100
    assert meter.report().application_utilization == pytest.approx(1 - 1 / SLOTS, abs=0.001)


@pytest.mark.parametrize("pause", [0.0, 2.0, 20.0], ids=["busy", "moderate", "few calls"])
async def test_the_weight_is_the_capacity(clock: Clock, meter: LoadMeter, pause: float) -> None:
    """Rate by utilization is slots by the duration of a call, however many calls there are."""
    for _ in range(100):
        meter.start()
        clock.now += 0.5
        finish(meter)
        report = meter.report()
        clock.now += pause
    weight = report.rps_fractional / report.application_utilization
    assert weight == pytest.approx(SLOTS / 0.5, rel=0.1)


async def test_more_calls_than_slots_are_a_full_server(clock: Clock, meter: LoadMeter) -> None:
    """Calls that wait for a slot do not raise the utilization above 1."""
    for _ in range(2 * SLOTS):
        meter.start()
    clock.now += 100
    assert meter.report().application_utilization == 1


async def test_a_full_server_keeps_a_rate(clock: Clock, meter: LoadMeter) -> None:
    """A server that has not ended a call for an hour reports a small rate, not none."""
    meter.start()
    clock.now += 3_600
    assert meter.report().rps_fractional == MIN_RPS


async def test_an_idle_server_reports_no_load(clock: Clock, meter: LoadMeter) -> None:
    """After some time without calls a report is empty, so that clients forget the last weight."""
    assert meter.report() == OrcaLoadReport()
    meter.start()
    clock.now += 60
    finish(meter)
    clock.now += IDLE_SECONDS
    assert meter.report().application_utilization
    clock.now += 1
    report = meter.report()
    assert (report.rps_fractional, report.application_utilization) == (0, 0)


@pytest.mark.parametrize(
    ("status", "reason", "asked", "counted"),
    [
        ("OK", "OK", True, (1, 0)),
        ("UNAVAILABLE", "UPSTREAM_UNREACHABLE", True, (1, 1)),
        ("RESOURCE_EXHAUSTED", "SERVER_OVERLOADED", False, (0, 1)),
        ("UNAVAILABLE", "SERVER_SHUTTING_DOWN", False, (0, 1)),
        ("INVALID_ARGUMENT", "EMPTY_PROMPT", False, (0, 0)),
        ("CANCELLED", "CANCELLED", True, (1, 0)),
        ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", True, (1, 0)),
    ],
)
async def test_what_is_counted(
    meter: LoadMeter, status: str, reason: str, *, asked: bool, counted: tuple[int, int]
) -> None:
    """Calls that asked the upstream count as calls; failures that are not the caller's, as errors.

    The first number is of calls, the second of errors.
    """
    meter.start()  # so that the server is not idle
    meter.start()
    finish(meter, status, reason, asked=asked)
    report = meter.report()
    calls, errors = counted
    assert report.rps_fractional == pytest.approx(calls / WINDOW_SECONDS or MIN_RPS)
    assert report.eps == pytest.approx(errors / WINDOW_SECONDS)
