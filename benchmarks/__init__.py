"""Benchmarks of tokenwire and other servers: `make bench`. docs/performance.md has the method."""
