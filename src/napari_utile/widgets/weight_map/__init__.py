"""The panel Weight map."""
