"""An image that is far from those of training is told before hours are spent."""

import numpy as np
import pytest
import torch

import napari_utile as utile
from napari_utile.arrays.appearance import Appearance
from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.mismatch import (
    image_mismatches,
    normalization_for,
    object_mismatch,
)
from napari_utile.engine.prediction.tiled import TiledNetwork
from napari_utile.errors import UserError
from napari_utile.io.stack import Stack
from napari_utile.networks import UNet
from napari_utile.settings.prediction import PredictSettings

RNG = np.random.default_rng(0)
PIXELS = RNG.normal(100, 20, (1, 80, 80))
DEFAULTS, OWN = PredictSettings(), PredictSettings(normalize="image")
DISCS = [200] * 9
"""Areas of the training objects, in pixels."""


def model(**appearance):
    learnt = Appearance.of([PIXELS], **appearance)
    return Model(UNet(1, depth=1, width=2), Normalization.of([PIXELS]), appearance=learnt)


def stack(pixels, **facts):
    return Stack(pixels, "yx", name="a.tif", **facts)


class Brighter(torch.nn.Module):
    """Foreground is what is brighter than the mean of training."""

    ndim, in_channels, classes = 2, 1, 1
    margin, stride_alignment = (0, 0), (1, 1)

    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(50.0))

    def input_size(self, output):
        return output

    def forward_tile(self, x):
        return self.gain * x

    forward = forward_tile


def discs(radius):
    y, x = np.mgrid[:160, :160] % 40 - 20
    return np.where(y**2 + x**2 <= radius**2, 180.0, 20.0)


def test_an_image_like_those_of_training_is_not_doubted():
    assert [*image_mismatches(model(), stack(PIXELS[0]), DEFAULTS)] == []


def test_gray_values_and_pixel_size_are_told_with_the_name_of_the_image():
    far = stack(PIXELS[0] * 257, scale=(8.0, 8.0), units=("nanometer",) * 2)
    gray, size = image_mismatches(model(pixel_um=[0.004]), far, DEFAULTS)
    assert gray.startswith("a.tif: gray values are 2.57e+04")
    assert size.startswith("a.tif: a pixel is 0.008 µm wide")


def test_channels_of_other_names_are_told():
    learnt = Appearance.of([np.concatenate([PIXELS] * 2)], channel_names=["DAPI", "GFP"])
    two = Model(UNet(2, depth=1, width=2), Normalization.none(2), appearance=learnt)
    pixels = np.concatenate([PIXELS] * 2)
    image = Stack(pixels, "cyx", name="a.tif", channel_names=("GFP", "DAPI"))
    (said,) = image_mismatches(two, image, DEFAULTS)
    assert said.startswith("a.tif: its channels are GFP, DAPI")


def test_gray_values_do_not_matter_if_the_image_is_normalized_by_itself():
    learnt, far = model(), stack(PIXELS[0] * 257)
    assert [*image_mismatches(learnt, far, OWN)] == []
    near = normalization_for(learnt, stack(PIXELS[0]), OWN)
    assert near.mean == pytest.approx(learnt.normalization.mean)
    assert normalization_for(learnt, far, OWN).mean == pytest.approx([near.mean[0] * 257])
    assert normalization_for(learnt, far, DEFAULTS) == learnt.normalization


def test_a_model_of_an_older_version_compares_mean_and_contrast():
    older = Model(UNet(1, depth=1, width=2), Normalization.of([PIXELS]))
    (doubt,) = image_mismatches(older, stack(PIXELS[0] * 257), DEFAULTS)
    assert "trained on" in doubt and doubt.endswith("set normalize to image.")
    assert [*image_mismatches(older, stack(PIXELS[0] * 1.5), DEFAULTS)] == []


def of_discs():
    learnt = Model(
        Brighter(),
        Normalization(mean=(100,), std=(80,)),
        appearance=Appearance.of([discs(8)[None], discs(16)[None]], object_px=DISCS),
    )
    learnt.scores["f1_50"] = 0.9
    return learnt


@pytest.mark.parametrize(("radius", "factor"), [(8, None), (16, "0.5"), (3, "2.6")])
def test_objects_of_another_scale_are_told_with_the_factor(radius, factor):
    learnt = of_discs()
    network = TiledNetwork(learnt.network, torch.device("cpu"), None)
    found = object_mismatch(learnt, network, stack(discs(radius)), DEFAULTS)
    assert (factor is None) == (found is None)
    if factor:
        assert f"resize it by {factor}" in found


def test_objects_of_a_model_that_finds_none_in_validation_tell_nothing():
    learnt = model(object_px=DISCS)
    network = TiledNetwork(learnt.network, torch.device("cpu"), None)
    assert object_mismatch(learnt, network, stack(PIXELS[0]), DEFAULTS) is None


def test_predict_warns_or_refuses():
    with pytest.warns(UserWarning, match="gray values are"):
        utile.predict(model(), PIXELS[0] * 257)
    with pytest.raises(UserError, match="gray values are"):
        utile.predict(model(), PIXELS[0] * 257, settings=PredictSettings(strict=True))


@pytest.mark.parametrize(("tile", "is_early"), [(80, False), (32, True)])
def test_predict_compares_objects_as_the_command_does(tile, is_early):
    image, events, tile = discs(16), [], (tile, tile)
    utile.predict(of_discs(), image, tile, on_event=events.append)
    said = [str(getattr(event, "message", "")) for event in events]
    (number,) = (i for i, text in enumerate(said) if "resize it by 0.5" in text)
    assert number == (0 if is_early else len(events) - 1)
    strict = PredictSettings(strict=True)
    with pytest.raises(UserError, match=r"resize it by 0\.5"):
        utile.predict(of_discs(), image, tile, strict)
    utile.predict(of_discs(), discs(8), tile, strict)


def test_normalized_by_itself_a_brighter_image_gives_the_same_probabilities():
    learnt = model()
    here = utile.predict(learnt, PIXELS[0], settings=OWN)
    there = utile.predict(learnt, PIXELS[0] * 257 + 1000, settings=OWN)
    np.testing.assert_allclose(here, there, atol=1e-5)


def test_a_saved_model_remembers(tmp_path):
    saved = model(pixel_um=[0.004], object_px=DISCS)
    saved.save(tmp_path / "model")
    assert load_model(tmp_path / "model").appearance == saved.appearance
