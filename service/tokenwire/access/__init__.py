"""Verifies the tokens of callers by the keys of their issuers."""
