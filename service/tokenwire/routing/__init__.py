"""From a request to an upstream: when it is repeated, and who caused its failure."""
