"""Results handed on: tables of objects, meshes, and links for viewers in a browser."""
