"""The networks, one file per paper, and the names by which a user picks them.

Each declares `margin`, `stride_alignment`, `input_size` and `forward_tile`; with these four
the engine tiles any of them exactly.
"""

from napari_utile.networks.encoder_decoder import EncoderDecoder
from napari_utile.networks.unet import UNet

NETWORKS = {"unet": UNet, "encoder-decoder": EncoderDecoder}

__all__ = ["NETWORKS", "EncoderDecoder", "UNet"]
