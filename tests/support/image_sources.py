"""The parts of the Dockerfile that tests check."""

import re
from typing import Final

from support.programs import ROOT

TEXT: Final = (ROOT / "Dockerfile").read_text("utf-8")
ARGUMENTS: Final = dict(re.findall(r"^ARG (\w+)=(\S+)$", TEXT, re.MULTILINE))
COPIED: Final = [
    source
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE)
    for source in sources.split()
]
