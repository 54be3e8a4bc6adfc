"""Training data: checked, split, weighed, and drawn as tiles."""
