import numpy as np
from napari.layers import Image

from napari_utile.widgets.layers.fitting import misfit


def test_a_model_fits_by_channels_and_slices():
    gray = Image(np.zeros((5, 8, 8), np.uint8), name="em")
    color = Image(np.zeros((8, 8, 3), np.uint8), name="photo", rgb=True)
    assert [misfit(gray, 1, 0), misfit(gray, 1, 2), misfit(color, 3, 0)] == ["", "", ""]
    assert misfit(gray, 3, 0) == "The model expects 3 channels, layer 'em' has 1."
    assert misfit(color, 1, 0) == "The model expects 1 channel, layer 'photo' has 3."
    assert "context 2" in misfit(color, 3, 2)
    assert misfit(None, 7, 0) == ""
