"""The panel in which labels are made, named and counted."""
