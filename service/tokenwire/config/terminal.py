"""The environment variables that describe the terminal of a command."""

import os


def no_color() -> bool:
    """Report whether NO_COLOR asks for output without colours; see https://no-color.org."""
    return bool(os.environ.get("NO_COLOR"))
