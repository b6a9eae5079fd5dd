"""Programs that run beside each other: pinned to cores, frozen and thawed, always ended."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

READY_SECONDS = 120.0
STOP_SECONDS = 10.0
QUIET_SECONDS = 15.0
QUIET_SHARE = 0.03
"""Share of a core below which a server counts as having nothing to do."""
END_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Ends a program, frozen or not, when whoever started it is killed."""


class NotRunningError(Exception):
    """A program did not start, or ended by itself."""


@dataclass(frozen=True)
class Cores:
    """Who runs where: the measured server alone, everything else beside it."""

    server: frozenset[int]
    others: frozenset[int]

    @classmethod
    def of_this_machine(cls, for_server: int = 1) -> "Cores":
        """Give the server the last cores; if that leaves none, all share them."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(frozenset(cores[-for_server:]), frozenset(cores[:-for_server] or cores))

    @property
    def shared(self) -> bool:
        """Whether the server competes with those who measure it."""
        return bool(self.server & self.others)


class Program:
    """A running program and the processes that it started itself.

    Args:
        command: What to run.
        env: All of its environment.
        cores: Where it may run.
        log: Gets what it prints; None: `stdout` can be read.
    """

    def __init__(
        self,
        command: tuple[str | Path, ...],
        env: Mapping[str, str],
        cores: frozenset[int],
        log: Path | None = None,
    ) -> None:
        self._log = log
        with contextlib.ExitStack() as stack:
            stack.enter_context(pinned(cores))
            output: IO[bytes] | int = subprocess.PIPE
            if log:
                output = stack.enter_context(log.open("ab"))
            self._process = subprocess.Popen(
                (*END_WITH_US, *command),
                env=dict(env),
                cwd=log.parent if log else None,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output if log else None,
                start_new_session=True,  # so that all its processes can be found and ended
            )

    def first_line(self) -> str:
        """Return the first line that the program prints."""
        if self._process.stdout is None:
            raise NotRunningError("its output goes to a log")
        return self._process.stdout.readline().decode().strip()

    def pids(self) -> list[int]:
        """Return the program's process and all others of its session."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                after_name = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(after_name[3]) == self._process.pid:
                    found.append(int(folder.name))
        return sorted(found)

    def wait_for_port(self, port: int) -> None:
        """Return once something listens on the port.

        Raises:
            NotRunningError: The program has ended or takes too long.
        """
        give_up = time.monotonic() + READY_SECONDS
        while self._process.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.05)
        tail = self._log.read_text(errors="replace")[-2_000:] if self._log else ""
        raise NotRunningError(f"nothing listens on its port\n{tail}")

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes, as the kernel accounts for it."""
        # Linux makes the number of a process's CPU clock out of its pid:
        # clock_getcpuclockid(3), with the scheduler's accounting (2).
        total = 0.0
        for pid in self.pids():
            with contextlib.suppress(OSError):  # it has ended since
                total += time.clock_gettime(~pid << 3 | 2)
        return total

    def resident_bytes(self) -> int:
        """Return how much of its memory is in RAM."""
        pages = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self.pids())
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")

    def settle(self) -> bool:
        """Wait until it has nothing to do; tell whether it runs and that was soon enough."""
        give_up = time.monotonic() + QUIET_SECONDS
        while self._process.poll() is None and time.monotonic() < give_up:
            before = self.cpu_seconds()
            time.sleep(0.25)
            if self.cpu_seconds() - before < 0.25 * QUIET_SHARE:
                return True
        return False

    def freeze(self) -> None:
        """Let it take no CPU time at all."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it gently, or else at once."""
        self.thaw()
        if self._process.stdin:
            self._process.stdin.close()
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


@contextlib.contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Start programs on these cores: they inherit the caller's."""
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, usual)


def allow_many_connections() -> None:
    """Let programs have as many as can be: a thousand streams are two thousand connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
