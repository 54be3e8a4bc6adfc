"""The command `utile`: one module per command; flags are made from the settings classes."""
