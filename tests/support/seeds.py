"""Seeds for randomized tests: fixed by default, new ones under `make chaos`."""

import os
import random


def seeds(*fixed: int) -> list[int]:
    """Return the seeds to use.

    `CHAOS_SEED=7` selects one seed and `CHAOS_ROUNDS=10` ten new ones.

    Args:
        fixed: The default seeds, so that each run of CI uses the same ones.
    """
    if seed := os.environ.get("CHAOS_SEED"):
        return [int(seed)]
    if rounds := os.environ.get("CHAOS_ROUNDS"):
        return random.sample(range(10**9), int(rounds))
    return list(fixed)
