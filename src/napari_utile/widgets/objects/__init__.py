"""The panel Objects: a table of the objects in a labels layer."""
