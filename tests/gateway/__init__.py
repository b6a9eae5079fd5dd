"""Tests of the gateway file."""
