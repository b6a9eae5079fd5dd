"""What the commands that start a server share about its settings."""

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenwire.settings import SettingsError

EXIT_BAD_SETTINGS = 2


def tell(error: "SettingsError") -> int:
    """Print a line for each bad setting and return the exit code."""
    # The exit code says it too, where nothing can be written.
    with contextlib.suppress(OSError):
        for problem in error.problems:
            print(f"tokenwire: {problem}", file=sys.stderr)
    return EXIT_BAD_SETTINGS


def demo_overrides(base_url: str) -> dict[str, Any]:
    """Return the settings that put the built-in demo model in the place of any other."""
    from tokenwire.demo import DEMO_MODEL  # noqa: PLC0415 - so that --help starts without it

    return {
        "provider": "openai",
        "base_url": base_url,
        "model": DEMO_MODEL,
        # Those in the environment are meant for a real upstream.
        "api_key": None,
        "organization": None,
        "project": None,
        "proxy": None,
    }
