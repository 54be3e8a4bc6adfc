"""The panel Runs."""
