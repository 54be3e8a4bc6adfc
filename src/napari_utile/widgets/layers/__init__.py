"""Layers as input and as output of the panels."""
