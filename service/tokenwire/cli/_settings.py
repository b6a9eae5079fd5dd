"""The settings of commands that start a server."""

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenwire.config import SettingsError

EXIT_BAD_SETTINGS = 2


def print_problems(error: "SettingsError") -> int:
    """Print one line for each invalid setting, and return the exit code."""
    # If stderr cannot be written, the exit code still reports the failure.
    with contextlib.suppress(OSError):
        for problem in error.problems:
            print(f"tokenwire: {problem}", file=sys.stderr)
    return EXIT_BAD_SETTINGS


def import_tracing() -> None:
    """Import the OpenTelemetry modules that read variables at import.

    Call this before the app is imported, so that an invalid value becomes a SettingsError.

    Raises:
        SettingsError: A variable has an invalid value, such as the name of a propagator that
            is not installed.
    """
    from tokenwire.config import cannot_trace  # noqa: PLC0415 - so that --help starts without it

    try:
        import opentelemetry.propagate  # noqa: PLC0415
        import opentelemetry.sdk.trace  # noqa: F401, PLC0415
    except Exception as error:  # noqa: BLE001 - the SDK's parsers raise exceptions of any type
        raise cannot_trace(error) from None


def demo_overrides(base_url: str) -> dict[str, Any]:
    """Return the settings that select the built-in demo model, by field name."""
    from tokenwire_demo import DEMO_MODEL  # noqa: PLC0415 - so that --help starts without it

    return {
        "provider": "openai",
        "base_url": base_url,
        "model": DEMO_MODEL,
        # Values in the environment are meant for a real upstream.
        "config": None,
        "api_key": None,
        "organization": None,
        "project": None,
        "proxy": None,
    }
