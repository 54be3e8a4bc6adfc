"""Which network is trained, and by which random choices."""

from napari_utile.settings.checked import Settings
from napari_utile.settings.options import NetworkName, Seed, option


class NetworkChoice(Settings):
    """What differs between the trainings of a comparison."""

    network: NetworkName = option(
        "unet",
        "Kind of network: unet looks at one slice after the other, unet-3d at volumes, which "
        "takes longer; the others are there to compare with",
        main=True,
    )
    seed: Seed = option(
        0,
        "Any whole number, from which all random choices follow: the same seed on the same "
        "data gives the same model again",
    )
