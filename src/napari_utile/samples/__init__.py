"""Sample data: made by code, or downloaded once."""
