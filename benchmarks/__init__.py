"""What tokenwire costs, beside others: `make bench`. docs/performance.md tells the method."""
