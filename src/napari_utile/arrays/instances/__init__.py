"""Instances from probabilities: in a slice, by blocks, and through a stack."""
