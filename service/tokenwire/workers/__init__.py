"""Several server processes behind one port, for machines without an orchestrator.

A supervisor starts the workers, restarts workers that end, and serves the metrics of all.
docs/adr/0006-workers.md explains the design.
"""
