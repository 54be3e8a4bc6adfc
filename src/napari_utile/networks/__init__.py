"""The networks, one file per paper, and the names by which a user picks them.

Each declares `margin`, `stride_alignment`, `input_size` and `forward_tile`; with these four
the engine tiles any of them exactly. Its `arguments` build it again, and `padding` and
`trains_on_windows` say what it is trained on.
"""

from typing import Any

from napari_utile.networks.encoder_decoder import EncoderDecoder
from napari_utile.networks.fcn import FCN
from napari_utile.networks.segnet import SegNet
from napari_utile.networks.sliding_window import SlidingWindow
from napari_utile.networks.unet import UNet

NETWORKS: dict[str, Any] = {
    "unet": UNet,
    "encoder-decoder": EncoderDecoder,
    "segnet": SegNet,
    "fcn": FCN,
    "sliding-window": SlidingWindow,
}

__all__ = ["FCN", "NETWORKS", "EncoderDecoder", "SegNet", "SlidingWindow", "UNet"]
