"""The limits of callers: leases on their windows, and the stores that count them."""
