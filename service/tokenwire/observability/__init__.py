"""What the one on call sees: metrics, traces and logs."""
