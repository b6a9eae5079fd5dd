"""What callers speak: wire messages to domain terms and back, and reasons to statuses."""
