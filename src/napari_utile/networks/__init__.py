"""The networks, one file per paper, and the names by which a user picks them.

Each declares its geometry per axis, see `tileable`: with that the engine tiles any of them
exactly. Its `arguments` build it again.
"""

from napari_utile.networks.encoder_decoder import EncoderDecoder
from napari_utile.networks.fcn import FCN
from napari_utile.networks.segnet import SegNet
from napari_utile.networks.sliding_window import SlidingWindow
from napari_utile.networks.tileable import Network, Tileable
from napari_utile.networks.unet import UNet
from napari_utile.networks.unet_3d import EncoderDecoder3D, UNet3D

NETWORKS: dict[str, type[Network]] = {
    "unet": UNet,
    "encoder-decoder": EncoderDecoder,
    "segnet": SegNet,
    "fcn": FCN,
    "sliding-window": SlidingWindow,
    "unet-3d": UNet3D,
    "encoder-decoder-3d": EncoderDecoder3D,
}

__all__ = [
    "FCN",
    "NETWORKS",
    "EncoderDecoder",
    "EncoderDecoder3D",
    "Network",
    "SegNet",
    "SlidingWindow",
    "Tileable",
    "UNet",
    "UNet3D",
]
