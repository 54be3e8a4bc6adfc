"""The panel Evaluate."""
