"""The folder of a comparison."""

import json

import pytest

from napari_utile.arrays.splits import Region, Split
from napari_utile.engine.training.data.preparation import prepare
from napari_utile.errors import UserError
from napari_utile.folders.comparison import ComparisonFolder, split_facts, split_from_facts
from napari_utile.io.disk import atomic_write
from napari_utile.io.pairs import stack_pairs
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.training import TrainSettings
from tests.fixtures.comparison import ONE_PLANE, cells

VOLUME = TrainSettings(network="unet-3d", split="block", spacing=(1, 1, 1))


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        (cells(), TrainSettings()),
        (ONE_PLANE, TrainSettings()),
        (tuple(map(list, cells())), TrainSettings()),
        (cells((48, 32, 40)), VOLUME),
    ],
)
def test_a_split_reads_back_as_it_was_written(data, settings):
    """By slice, by block, by image, by block of a volume."""
    split = prepare(*stack_pairs(*data), settings, 9).split
    assert split.axis == (-3 if settings is VOLUME else -1)
    assert split_from_facts(json.loads(json.dumps(split_facts(split)))) == split


@pytest.mark.parametrize("data", [cells(), ONE_PLANE, tuple(map(list, cells()))])
def test_a_comparison_knows_its_split_again(data, tmp_path):
    images, labels = stack_pairs(*data)
    split = prepare(images, labels, TrainSettings(), 21).split
    every = (slice(None), slice(None))
    whole = [Region(part.image, part.index, every) for part in split.training]
    comparison, settings = ComparisonFolder(tmp_path), CompareSettings()
    for kept in (split, Split(tuple(whole), split.validation, "image")):
        atomic_write(comparison.settings, settings.text().encode())
        comparison.write_data(images, labels, kept)
        assert comparison.split(settings, images, labels) == kept


def test_a_comparison_of_volumes_knows_their_pixels_and_axes(tmp_path):
    image, truth = cells((48, 32, 40))
    images, labels = stack_pairs(image, truth)
    split = prepare(images, labels, VOLUME, 9).split
    given = {"split": "block", "spacing": (1, 1, 1)}
    of_volumes = CompareSettings(**given, networks=("unet-3d",))
    comparison = ComparisonFolder(tmp_path)
    atomic_write(comparison.settings, of_volumes.text().encode())
    comparison.write_data(images, labels, split)
    assert comparison.split(of_volumes, images, labels) == split
    with pytest.raises(UserError, match="its networks see volumes"):
        comparison.split(CompareSettings(**given), images, labels)
    changed = stack_pairs(image + (image == image[-1, -1, -1]), truth)
    with pytest.raises(UserError, match="the annotated images have changed"):
        comparison.split(of_volumes, *changed)
