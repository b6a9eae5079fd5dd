"""The signals that make the server drain and exit."""

import signal


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return SIGTERM, SIGINT and, unless this process was started with it ignored, SIGHUP.

    A closing terminal sends SIGHUP, and so do operators who expect a reload. Its default action
    would end the process immediately, together with all answers in flight.
    """
    # `nohup` starts programs with SIGHUP ignored.
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGINT, *(() if ignored else (signal.SIGHUP,)))
