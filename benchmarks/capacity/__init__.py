"""What a server can carry, from measured costs: docs/capacity.md."""
