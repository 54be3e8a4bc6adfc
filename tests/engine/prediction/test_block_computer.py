"""What the network gets of a stack."""

import numpy as np
import torch

from napari_utile.events import Warned
from napari_utile.io.images import write_tiff
from tests.fixtures.blob_model import blobs
from tests.fixtures.segmented import SHAPE, segment

torch.set_num_threads(1)


def test_pixels_that_are_no_numbers_are_told_once_a_slice(blob_files, tmp_path):
    pixels = blobs(SHAPE).astype(np.float32)
    pixels[1, 20, 30] = np.nan
    write_tiff(tmp_path / "em.tif", pixels)
    (tmp_path / "model").symlink_to(blob_files / "model")
    events = segment(tmp_path, tmp_path / "out.zarr")
    (warning,) = [event.message for event in events if isinstance(event, Warned)]
    assert "Slice 1 of em.tif has pixels that are NaN, infinite or far beyond" in warning
