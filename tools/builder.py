"""Passes this machine's package sources to a build as secrets, which stay out of the image."""

import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PIP: Final = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout")
GO: Final = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GONOPROXY", "GOINSECURE")
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"


def options(folder: Path) -> list[str]:
    """Write the secrets into `folder` and return the build options that mount them."""
    archives = [f"deb {site} {suite} {part}" for site, suite, part in debian_archives()]
    texts = {
        "pip": ["[global]", *pip_settings()],
        "go": [f"{name}={value}" for name, value in go_settings().items()],
        "sources": archives,
        "apt": [
            *output_lines("apt-config", "dump", "Acquire::http", "Acquire::https"),
            'Acquire::https::CaInfo "/run/secrets/ca.crt";',
        ],
    }
    for name, lines in texts.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    files = {name: folder / name for name in texts}
    files["ca"] = Path(ssl.get_default_verify_paths().cafile or BUNDLE)
    return [
        *(f"--secret=id={name},src={path}" for name, path in files.items()),
        *(f"--build-arg={name}" for name in PROXIES if os.environ.get(name)),
    ]


def debian_archives() -> list[tuple[str, str, str]]:
    """Return the URL, suite and component of each Debian archive in apt's sources."""
    form = "$(CREATED_BY) $(ORIGIN) $(SITE) $(CODENAME) $(COMPONENT)"
    lines = (line.split() for line in output_lines("apt-get", "indextargets", "--format", form))
    found = {tuple(line[2:]): None for line in lines if line[:2] == ["Packages", "Debian"]}
    return [(site, suite, part) for site, suite, part in found]


def pip_settings() -> Iterator[str]:
    """Yield pip's index settings; pip lists variables first, which override files."""
    seen = set()
    for line in output_lines(sys.executable, "-m", "pip", "config", "list"):
        match = re.fullmatch(r"(?:global|install|:env:)\.([\w-]+)='(.*)'", line)
        if match and match[1] in PIP and match[1] not in seen:
            seen.add(match[1])
            yield f"{match[1]} = {match[2]}"


def go_settings() -> dict[str, str]:
    """Return Go's module proxy settings, by variable."""
    settings: dict[str, str] = json.loads("\n".join(output_lines("go", "env", "-json", *GO)))
    return settings


def output_lines(*command: str) -> list[str]:
    """Run a program and return the lines of its output."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()
