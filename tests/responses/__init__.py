"""Tests of the responses dialect."""
