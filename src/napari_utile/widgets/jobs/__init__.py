"""The panel Jobs."""
