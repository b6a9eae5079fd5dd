"""Which seeds tests at random play: fixed ones, unless `make chaos` asks for fresh ones."""

import os
import random


def seeds(*fixed: int) -> list[int]:
    """Return the seeds to play.

    `CHAOS_SEED=7` asks for one seed and `CHAOS_ROUNDS=10` for ten fresh ones.

    Args:
        fixed: Played where nothing is asked for, so that each run of CI plays the same.
    """
    if seed := os.environ.get("CHAOS_SEED"):
        return [int(seed)]
    if rounds := os.environ.get("CHAOS_ROUNDS"):
        return random.sample(range(10**9), int(rounds))
    return list(fixed)
