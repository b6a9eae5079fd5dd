"""Calls one after the other from a pod of the cluster, while something happens to the server."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from support.kube import Namespace
from support.kube_simulator import SIMULATOR

PROGRAM: Final = """
import select, sys
from tokenwire_client import SyncClient

answers = 0
print("begun", flush=True)
with SyncClient(sys.argv[1]) as client:
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        assert client.ask("hello").content
        answers += 1
print(answers)
"""


@contextmanager
def calls_are_answered(namespace: Namespace, target: str) -> Iterator[None]:
    """Call a server from the pod of the simulator during a block; each call must be answered."""
    program = ("exec", "--stdin", SIMULATOR, "--", "python", "-c", PROGRAM, target)
    with subprocess.Popen(
        ["kubectl", "--namespace", namespace.name, *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield
            answers, errors = process.communicate("end\n", timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert int(answers) > 0
