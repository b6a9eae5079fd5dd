"""The simulator, a distribution of its own: commands that need it ask here whether it is there."""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

EXIT_NOT_INSTALLED: Final = 2
NOT_INSTALLED: Final = (
    "tokenwire: the simulator is not installed: pip install 'tokenwire[demo]', "
    "or in containers use the image whose tag ends with -demo"
)


def is_installed() -> bool:
    """Tell whether `tokenwire_demo` can be imported."""
    return importlib.util.find_spec("tokenwire_demo") is not None


def refuse() -> int:
    """Say in one line on stderr what to install; return the exit code."""
    print(NOT_INSTALLED, file=sys.stderr)
    return EXIT_NOT_INSTALLED


class RefusingParser(argparse.ArgumentParser):
    """Stands for a command of the simulator's own where that is not installed."""

    def parse_known_args(  # type: ignore[override] # argparse's own is overloaded for namespaces of any type
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> NoReturn:
        """Refuse before options are looked at, which only the simulator knows."""
        del args, namespace
        sys.exit(refuse())
