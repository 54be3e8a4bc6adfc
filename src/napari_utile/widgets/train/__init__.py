"""The panel Train on layers."""
