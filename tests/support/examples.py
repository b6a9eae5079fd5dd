"""Runs the examples in Go, Node and Java, which have the same programs."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.programs import ROOT

GO = ROOT / "examples" / "go"
JAVA = ROOT / "examples" / "java"
NODE = ROOT / "examples" / "node"
GO_ENVIRONMENT = {"GOPROXY": "off", "GOTOOLCHAIN": "local"}
"""Keeps the go command from the network."""


SHORT_TIMEOUT: Final = 4
"""In seconds; long enough for a busy machine to begin a call."""


@dataclass(frozen=True)
class Examples:
    """The examples of one language, and the status codes as this language writes them."""

    program: Callable[[str], tuple[str | Path, ...]]
    """The command of a program: chat, tools, image, structured, cancel or retries."""
    short_timeout: str
    """The option that sets the timeout to SHORT_TIMEOUT; in Java of retries alone."""
    invalid_argument: str
    unavailable: str
    deadline_exceeded: str
    cancelled: str
    resource_exhausted: str


def go(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the go command in the folder of the Go examples, without network access."""
    return subprocess.run(
        ["go", *arguments],
        cwd=GO,
        env={**os.environ, **GO_ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def go_examples(programs: Path) -> Examples:
    """Build the Go examples into a folder, from the committed files only."""
    built = go("build", "-o", f"{programs}/", "./...")
    assert built.returncode == 0, built.stderr
    # go names the program at the root of a module after the module.
    (programs / "examples").rename(programs / "chat")
    return Examples(
        program=lambda name: (programs / name,),
        short_timeout=f"-timeout={SHORT_TIMEOUT}s",
        invalid_argument="InvalidArgument",
        unavailable="Unavailable",
        deadline_exceeded="DeadlineExceeded",
        cancelled="Canceled",
        resource_exhausted="ResourceExhausted",
    )


def node_examples() -> Examples:
    """Return the Node examples."""
    return Examples(
        program=lambda name: ("node", NODE / f"{'main' if name == 'chat' else name}.js"),
        short_timeout=f"--timeout={SHORT_TIMEOUT}",
        invalid_argument="INVALID_ARGUMENT",
        unavailable="UNAVAILABLE",
        deadline_exceeded="DEADLINE_EXCEEDED",
        cancelled="CANCELLED",
        resource_exhausted="RESOURCE_EXHAUSTED",
    )


def java_examples() -> Examples:
    """Return the Java examples, which `make tools` builds."""
    classes = "target/classes:target/dependency/*".replace("target", str(JAVA / "target"))
    return Examples(
        program=lambda name: ("java", "-cp", classes, f"io.tokenwire.examples.{name.title()}"),
        short_timeout=f"--timeout={SHORT_TIMEOUT}",
        invalid_argument="INVALID_ARGUMENT",
        unavailable="UNAVAILABLE",
        deadline_exceeded="DEADLINE_EXCEEDED",
        cancelled="CANCELLED",
        resource_exhausted="RESOURCE_EXHAUSTED",
    )
