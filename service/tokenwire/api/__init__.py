"""Converts between wire messages and domain types, and from failures to gRPC statuses."""
