"""Tests of routing with a clock of their own."""
