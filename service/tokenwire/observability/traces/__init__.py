"""Spans and their export."""
