"""NumPy in, NumPy out: tiling, weight maps, labels, intensity, splits. No torch, no files."""
