"""Random traffic with random faults, for tests and for soak runs: `python -m soak`."""
