"""The panels: napari and Qt, never torch."""
