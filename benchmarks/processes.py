"""Runs programs pinned to cores, freezes and thaws them, and ends them with this process."""

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
IDLE_TIMEOUT_SECONDS = 15.0
IDLE_SHARE = 0.03
"""A program that uses a smaller share of one core counts as idle."""
END_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
"""Kills a program, frozen or not, when its parent is killed."""


class NotRunningError(Exception):
    """A program did not start, or ended unexpectedly."""


@dataclass(frozen=True)
class Cores:
    """The assignment of cores: some for the measured server, the rest for everything else.

    Attributes:
        server: The cores of the server.
        others: The cores of all other programs.
    """

    server: frozenset[int]
    others: frozenset[int]

    @classmethod
    def of_this_machine(cls, for_server: int = 1) -> "Cores":
        """Assign the last cores to the server; if none would be left, all programs share them."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(frozenset(cores[-for_server:]), frozenset(cores[:-for_server] or cores))

    @property
    def shared(self) -> bool:
        """Whether the server shares cores with the programs that measure it."""
        return bool(self.server & self.others)


class Program:
    """A running program with its child processes.

    Args:
        command: The program and its arguments.
        env: The complete environment.
        cores: The cores on which it may run.
        log: The file for its output; None makes `first_line` available instead.
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
                (*END_WITH_PARENT, *command),
                env=dict(env),
                cwd=log.parent if log else None,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output if log else None,
                start_new_session=True,  # makes its child processes identifiable
            )

    def first_line(self) -> str:
        """Return the first line of the program's output."""
        if self._process.stdout is None:
            raise NotRunningError("its output goes to a log")
        return self._process.stdout.readline().decode().strip()

    def pids(self) -> list[int]:
        """Return the ids of all processes in the program's session."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                after_name = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(after_name[3]) == self._process.pid:
                    found.append(int(folder.name))
        return sorted(found)

    def wait_for_port(self, port: int) -> None:
        """Return once a program listens on the port.

        Raises:
            NotRunningError: The program ended, or did not listen within READY_SECONDS.
        """
        deadline = time.monotonic() + READY_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.05)
        tail = self._log.read_text(errors="replace")[-2_000:] if self._log else ""
        raise NotRunningError(f"nothing listens on its port\n{tail}")

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes, in seconds."""
        # Linux derives the id of a process's CPU clock from its pid, as
        # clock_getcpuclockid(3) does; 2 selects the scheduler's accounting.
        total = 0.0
        for pid in self.pids():
            with contextlib.suppress(OSError):  # the process has ended
                total += time.clock_gettime(~pid << 3 | 2)
        return total

    def resident_bytes(self) -> int:
        """Return the resident memory of all its processes, in bytes."""
        pages = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self.pids())
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")

    def settle(self) -> bool:
        """Wait until the program is idle.

        Returns:
            False if the program ended or was not idle within IDLE_TIMEOUT_SECONDS.
        """
        deadline = time.monotonic() + IDLE_TIMEOUT_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            before = self.cpu_seconds()
            time.sleep(0.25)
            if self.cpu_seconds() - before < 0.25 * IDLE_SHARE:
                return True
        return False

    def freeze(self) -> None:
        """Stop all its processes, so that they use no CPU time."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue all its processes."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the program with SIGTERM, and after STOP_SECONDS with SIGKILL."""
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
    """Pin this process to `cores` within the block; programs started there inherit them."""
    previous = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, previous)


def allow_many_connections() -> None:
    """Raise the limit of open files to its maximum: 1,000 streams need 2,000 connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
