"""Decides when a request is retried, and attributes failures to the caller or the upstream."""
