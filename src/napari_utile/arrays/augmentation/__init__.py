"""Augmentation: random deformations of training tiles, and where tiles are drawn."""
