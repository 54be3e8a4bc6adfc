"""NumPy in, numbers out: the scores of the field."""
