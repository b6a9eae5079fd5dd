"""Runs the tests of tests/cluster on a Kubernetes cluster; `make test-cluster` runs this.

Arguments are those of pytest. With KUBECONFIG, the tests use that cluster; LOAD is the command that
loads an archive of images onto its nodes, and without it the images must be there. Without
KUBECONFIG, a cluster of two nodes is started for the tests and stopped after them, also when this
process is killed.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from kubernetes_tools import DEFINITIONS
from tokenwire import __version__
from tool import BIN, ROOT

TOOLS: Final = (
    *("helm", "redis", "cluster-load", "node-example", "prometheus", "prometheus-adapter"),
    *(f"crd-{kind}" for kind in DEFINITIONS),
)
ARCHIVE: Final = ROOT / "dist" / f"tokenwire-{__version__}.tar"
REDIS: Final = ROOT / "dist" / "redis.tar"
LOGS: Final = ROOT / "build" / "cluster-logs"
"""The logs of failed tests and of the nodes."""

NODE: Final = ROOT / "tests" / "cluster" / "node" / "node.sh"
STATE: Final = Path(os.environ.get("KUBE_STATE", f"/tmp/tokenwire-cluster-{os.getpid()}"))  # noqa: S108 - root's, and short enough for paths of sockets


def main() -> None:
    """Build what the tests need, run them, and exit with pytest's code."""
    # An exception, so that the cluster is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("make test-cluster: terminated"))
    shutil.rmtree(LOGS, ignore_errors=True)
    step(sys.executable, ROOT / "tools" / "install.py", *TOOLS)
    REDIS.parent.mkdir(exist_ok=True)
    step(sys.executable, ROOT / "tools" / "redis_image.py", REDIS)
    if "KUBECONFIG" not in os.environ:
        step(NODE, "check")
        step("make", "image-archive", "ENGINE=local")
        sys.exit(tests_on_own_cluster())
    if load := os.environ.get("LOAD"):
        step("make", "image-archive")
        for archive in (ARCHIVE, REDIS):
            step(*shlex.split(load), archive)
    sys.exit(subprocess.run(tests(), check=False).returncode)


def tests() -> list[str | Path]:
    """Return the command that runs the tests."""
    pytest = Path(sys.executable).parent / "pytest"
    return [pytest, "-m", "cluster", ROOT / "tests" / "cluster", *sys.argv[1:]]


def tests_on_own_cluster() -> int:
    """Run the tests on a cluster of two nodes; return pytest's exit code."""
    environment = {**os.environ, "KUBE_STATE": str(STATE)}
    # In a session of its own, which neither an interrupt of this one nor its end reaches.
    subprocess.Popen(
        [NODE, "down-after", str(os.getpid())], env=environment, start_new_session=True
    )
    try:
        for command in (("up", "2"), ("load", ARCHIVE, REDIS)):
            # With this process, so that no node is started after `down-after`.
            with_this = ("setpriv", "--pdeathsig", "KILL")
            subprocess.run([*with_this, NODE, *command], env=environment, check=True)
        code = tests_in_node(environment)
        if code:
            keep_logs()
    except subprocess.CalledProcessError as error:
        keep_logs()
        print(f"make test-cluster: {error}", file=sys.stderr)
        return 1
    finally:
        subprocess.run([NODE, "down"], env=environment, check=True, start_new_session=True)
    return code


def tests_in_node(environment: dict[str, str]) -> int:
    """Run the tests in a node's network, and after an interrupt wait until they have ended."""
    running = subprocess.Popen(
        ["setpriv", "--pdeathsig", "INT", NODE, "run", *tests()],
        env={**environment, "PATH": f"{BIN}:{os.environ['PATH']}"},
    )
    try:
        return running.wait()
    except KeyboardInterrupt:  # the tests have it too
        running.wait()
        raise
    except SystemExit:
        running.send_signal(signal.SIGINT)
        running.wait()
        raise


def keep_logs() -> None:
    """Copy the logs of the nodes' programs beside those of the failed tests."""
    for log in (*STATE.glob("node-*/*.log"), *STATE.glob("node-*/log/*.log")):
        place = LOGS / log.relative_to(STATE)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, place)
    print(f"make test-cluster: the logs are in {LOGS}", file=sys.stderr)


def step(*command: str | Path) -> None:
    """Run one step; exit with one line if it fails, below the step's own output."""
    done = subprocess.run(command, check=False, cwd=ROOT)
    if done.returncode != 0:
        words = " ".join(map(str, command))
        sys.exit(f"make test-cluster: `{words}` failed with exit code {done.returncode}; see above")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("make test-cluster: interrupted")
