"""The signals that make the server drain and exit."""

import signal


def stop_signals(*, reloads: bool) -> tuple[signal.Signals, ...]:
    """Return SIGTERM, SIGINT and, unless it has another meaning, SIGHUP.

    A closing terminal sends SIGHUP. Its default action would end the process immediately, together
    with all answers in flight.

    Args:
        reloads: Whether there is a gateway file, which SIGHUP reloads, as operators expect.
    """
    # `nohup` starts programs with SIGHUP ignored.
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGINT, *(() if reloads or ignored else (signal.SIGHUP,)))
