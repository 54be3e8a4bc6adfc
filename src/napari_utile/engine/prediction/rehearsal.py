"""A small prediction after which the next one begins at once."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile

from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.front import predict_files
from napari_utile.events import ImageDone, drain
from napari_utile.networks.unet import UNet
from napari_utile.settings.prediction import PredictSettings


def rehearse() -> list[tuple[int, ...]]:
    """Segment a small image by a small network: what is compiled or loaded late is loaded.

    Returns
    -------
    list of tuple of int
        Shapes of the results, which are removed.
    """
    shapes = []

    def look(event: object) -> None:
        shapes.extend([event.shape] if isinstance(event, ImageDone) else [])

    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Model(UNet(depth=1, width=2, padding="same")).save(f"{folder}/model")
        pixels = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
        tifffile.imwrite(f"{folder}/image.tif", pixels)
        instances = PredictSettings(output="instances")
        out = Path(folder, "out.zarr")
        images = [f"{folder}/image.tif"]
        drain(predict_files(f"{folder}/model", images, out, instances), look)
    return shapes
