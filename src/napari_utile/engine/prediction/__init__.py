"""Tiles in, probabilities and objects out: in memory, in blocks, on a cluster."""
