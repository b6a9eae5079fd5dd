"""Mixed traffic with mixed faults, in tests and for as long as one likes: `python -m soak`."""
