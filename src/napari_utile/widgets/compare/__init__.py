"""The panel Compare networks."""
