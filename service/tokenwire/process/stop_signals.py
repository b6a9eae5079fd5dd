"""The signals that tell the server to drain."""

import signal


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return SIGTERM, SIGINT and, unless this process was started to ignore it, SIGHUP.

    A terminal that closes sends SIGHUP, and so does whoever expects that it means to read files
    again. By default it ends a process at once, with all answers.
    """
    # As `nohup` does.
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGINT, *(() if ignored else (signal.SIGHUP,)))
