"""Metrics, traces, logs and event-loop lag."""
