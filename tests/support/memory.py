"""The peak memory of this process."""

from pathlib import Path
from typing import Final

MB: Final = 1 << 20


def peak_memory() -> int:
    """Return the peak memory of this process in bytes since `reset_peak_memory`."""
    [line] = [each for each in Path("/proc/self/status").read_text().splitlines() if "HWM" in each]
    return int(line.split()[1]) * 1024


def reset_peak_memory() -> int:
    """Reset the peak and return the current memory in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()
