"""What tests do to single pods of a cluster, and what they read of them."""

import json
import re
from typing import Any, Final

from support.kube import Namespace, kubectl
from support.kube_load import POD

STOP: Final = """
import os, signal
for pid in filter(str.isdecimal, os.listdir("/proc")):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        if b"serve" in file.read().split(b"\\0"):
            os.kill(int(pid), signal.SIGSTOP)
            print("stopped")
"""
FLOOD: Final = """
import asyncio, json, sys
from tokenwire_client import ChatError, Client

async def ask(client):
    try:
        return (await client.ask("x" * 4_000_000, timeout=60)).finish_reason
    except ChatError as error:
        return error.code.name

async def main():
    async with Client(sys.argv[1], max_attempts=1) as client:
        print(json.dumps(await asyncio.gather(*(ask(client) for _ in range(30)))))

asyncio.run(main())
"""


def stop_server(namespace: Namespace, pod: str) -> None:
    """Send SIGSTOP to the server's process in a pod whose containers share their processes.

    Without that, the process is the first of its PID namespace, which ignores SIGSTOP from inside.
    """
    done = namespace.kubectl("exec", pod, "--", "python", "-c", STOP)
    assert done == "stopped\n"


def flood(namespace: Namespace, address: str) -> list[str]:
    """Send 30 requests of 4 MB at once to a server, and return the status of each."""
    words = ("exec", POD, "--", "python", "-c", FLOOD, address)
    statuses: list[str] = json.loads(namespace.kubectl(*words, within=90))
    return statuses


def metrics(namespace: Namespace, pod: str) -> str:
    """Return the metrics of a pod."""
    path = f"/api/v1/namespaces/{namespace.name}/pods/{pod}:9464/proxy/metrics"
    return kubectl("get", "--raw", path)


def in_flight(namespace: Namespace, pod: str) -> float:
    """Return the answers in flight of a pod."""
    text = metrics(namespace, pod)
    [value] = re.findall(r"^tokenwire_streams_in_flight (\S+)$", text, re.MULTILINE)
    return float(value)


def container(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the status of the only container of a pod."""
    [found] = pod["status"]["containerStatuses"]
    status: dict[str, Any] = found
    return status
