"""The cluster of `make test-cluster`: what a machine lacks for it, and what is left of it."""

import os
import signal
from pathlib import Path

import pytest

from support.programs import ROOT, finished, run, started

pytestmark = pytest.mark.tools

NODE = ROOT / "tests" / "cluster" / "node" / "node.sh"
VERSION_1 = Path("/sys/fs/cgroup/pids")
GROUPS = VERSION_1 if VERSION_1.exists() else VERSION_1.parent
READ_ONLY_GROUPS = 'mount -t tmpfs -o ro tmpfs /sys/fs/cgroup && exec "$@"'


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("setpriv", "--reuid", "65534", NODE), "needs root to make a cluster"),
        (("env", "PATH=/usr/bin:/bin", NODE), "needs go"),
        (("unshare", "--mount", "sh", "-c", READ_ONLY_GROUPS, "sh", NODE), "control group"),
    ],
    ids=["no root", "no Go", "no control groups"],
)
async def test_a_machine_without_what_it_needs(
    command: tuple[str | Path, ...], reason: str
) -> None:
    """Where no cluster can be made, the first step of `.ci/run` fails and says why."""
    outcome = await run(*command, "check")
    assert outcome.code == 1
    assert reason in outcome.stderr


async def test_nothing_is_left_of_a_killed_run(tmp_path: Path) -> None:
    """After the process that started a cluster is killed, its nodes end and its state goes."""
    group = GROUPS / f"node-test-{os.getpid()}"
    state = tmp_path / "state"
    (state / "node-1").mkdir(parents=True)
    (state / "node-1" / "groups").write_text(f"{group}\n", "utf-8")
    group.mkdir()
    async with (
        started("sleep", "infinity") as owner,
        started("sleep", "infinity") as node,
        started(NODE, "down-after", str(owner.pid), env={"KUBE_STATE": str(state)}) as watcher,
    ):
        (group / "cgroup.procs").write_text(str(node.pid), "utf-8")
        owner.kill()
        await owner.wait()
        assert (await finished(watcher, within=30)).code == 0
        assert await node.wait() == -signal.SIGKILL
    assert not state.exists()
    assert not group.exists()
