"""The dock U-Tile: all steps of the work."""
