"""The folder of a comparison."""

import json

import pytest

from napari_utile.engine.training.data.preparation import prepare
from napari_utile.folders.comparison import split_facts, split_from_facts
from napari_utile.io.pairs import stack_pairs
from napari_utile.settings import TrainSettings
from tests.fixtures.comparison import ONE_PLANE, cells


@pytest.mark.parametrize("data", [cells(), ONE_PLANE, tuple(map(list, cells()))])
def test_a_split_reads_back_as_it_was_written(data):
    """By slice, by block, by image."""
    split = prepare(*stack_pairs(*data), TrainSettings(), 21).split
    assert split_from_facts(json.loads(json.dumps(split_facts(split)))) == split
