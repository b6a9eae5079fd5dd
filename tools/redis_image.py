"""Writes an image of this machine's Redis for a cluster's nodes: redis_image.py ARCHIVE."""

import re
import shutil
import subprocess
import sys
from typing import Final

from tool import ROOT

NAME: Final = "local/redis:1"
WRITER: Final = ROOT / "tests" / "cluster" / "node" / "image.py"


def libraries(program: str) -> list[str]:
    """Return the paths of the shared libraries that a program is loaded with."""
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", listed)


def main() -> None:
    """Write the image."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis_image.py: redis-server is not on PATH; run `tools/install.py redis`")
    image = (NAME, sys.argv[1], program, *libraries(program))
    subprocess.run([sys.executable, str(WRITER), *image], check=True)


if __name__ == "__main__":
    main()
