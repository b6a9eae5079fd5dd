"""The most memory that this process has had."""

from pathlib import Path
from typing import Final

MB: Final = 1 << 20


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory since `reset_peak_memory`."""
    [line] = [each for each in Path("/proc/self/status").read_text().splitlines() if "HWM" in each]
    return int(line.split()[1]) * 1024


def reset_peak_memory() -> int:
    """Forget the peak; return what is in memory now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()
