"""The U-Net without its skips: the plain CNN that shows what the skips add."""

from napari_utile.networks.unet import UNet


class EncoderDecoder(UNet):
    """Contract and expand, with nothing copied across.

    Everything else, the parameters too, is as in `UNet`; the first convolution of each
    level of the expanding path sees half the features, and the first logits are small.
    """

    skips = False
