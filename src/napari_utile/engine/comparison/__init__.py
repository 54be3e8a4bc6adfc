"""Several networks, one split, one budget, one table."""
