"""Several server processes behind one port, for machines without an orchestrator.

A supervisor starts the workers, replaces those that end, and shows the metrics
of all. docs/adr/0006-workers.md tells why it works as it does.
"""
