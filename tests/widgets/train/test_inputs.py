"""Where the engine finds what is trained on."""

import numpy as np
from napari.layers import Image, Labels

from napari_utile.events import drain
from napari_utile.widgets.layers.pair import TrainingPair
from napari_utile.widgets.layers.stacks import stack_of
from napari_utile.widgets.train.inputs import TrainingInputs


def test_folders_are_taken_as_they_are_and_layers_are_copied_by_name(tmp_path):
    assert drain(TrainingInputs("a", paths=("i", "l")).written(tmp_path)) == ["i", "l"]
    pairs = {
        name: TrainingPair(
            stack_of(Image(np.eye(*shape, dtype=np.uint8))),
            stack_of(Labels(np.eye(*shape, dtype=int))),
        )
        for name, shape in (("a", (8, 9)), ("b", (7, 8)))
    }
    paths = drain(TrainingInputs("2 layers", pairs).written(tmp_path / "copies"))
    assert paths == [str(tmp_path / "copies" / kind) for kind in ("images", "labels")]
    for kind in ("images", "labels"):
        assert {path.name for path in (tmp_path / "copies" / kind).iterdir()} == {
            "a.zarr",
            "b.zarr",
        }
