"""The folder of a comparison."""

import json

import pytest

from napari_utile.arrays.splits import Region, Split
from napari_utile.engine.training.data.preparation import prepare
from napari_utile.folders.comparison import ComparisonFolder, split_facts, split_from_facts
from napari_utile.io.disk import atomic_write
from napari_utile.io.pairs import stack_pairs
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.training import TrainSettings
from tests.fixtures.comparison import ONE_PLANE, cells


@pytest.mark.parametrize("data", [cells(), ONE_PLANE, tuple(map(list, cells()))])
def test_a_split_reads_back_as_it_was_written(data):
    """By slice, by block, by image."""
    split = prepare(*stack_pairs(*data), TrainSettings(), 21).split
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
