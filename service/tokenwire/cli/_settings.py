"""What the commands that start a server share about its settings."""

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenwire.config import SettingsError

EXIT_BAD_SETTINGS = 2


def tell(error: "SettingsError") -> int:
    """Print a line for each bad setting and return the exit code."""
    # The exit code says it too, where nothing can be written.
    with contextlib.suppress(OSError):
        for problem in error.problems:
            print(f"tokenwire: {problem}", file=sys.stderr)
    return EXIT_BAD_SETTINGS


def import_tracing() -> None:
    """Import what reads variables of OpenTelemetry as it is imported; call it before the app is.

    Raises:
        SettingsError: One of them has a value that it does not accept, such as the name of a
            propagator that is not installed.
    """
    from tokenwire.config import cannot_trace  # noqa: PLC0415 - so that --help starts without it

    try:
        import opentelemetry.propagate  # noqa: PLC0415
        import opentelemetry.sdk.trace  # noqa: F401, PLC0415
    except Exception as error:  # noqa: BLE001 - its parsers raise what they like
        raise cannot_trace(error) from None


def demo_overrides(base_url: str) -> dict[str, Any]:
    """Return the settings that put the built-in demo model in the place of any other."""
    from tokenwire_demo import DEMO_MODEL  # noqa: PLC0415 - so that --help starts without it

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
