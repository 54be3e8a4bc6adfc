"""What a network declares so that the engine can tile it."""

from typing import Any

Network = Any
"""An `nn.Module` with the members that `napari_utile.networks` describes."""
