"""Which slices a model was trained on, as its run has recorded."""

import os

import numpy as np
import pytest

from napari_utile.arrays.splits import Region, Split
from napari_utile.engine.training.run import run_training
from napari_utile.folders.model import DESCRIPTION
from napari_utile.folders.run import Run
from napari_utile.folders.trained_on import SliceUses, Use, record_data, uses_of
from napari_utile.io.fingerprints import fingerprint
from napari_utile.io.images import write_tiff
from napari_utile.io.ome_zarr import create_image, mark_complete
from napari_utile.io.stack import Stack
from tests.fixtures.trained import SETTINGS, cells, drained, files, predicted  # noqa: F401

NOISE = np.random.default_rng(0).integers(0, 255, (2, 6, 20, 30)).astype(np.uint8)
IMAGES = [Stack(each, "zyx") for each in NOISE]
BLOCK = (slice(0, 20), slice(0, 12))


def split(training, validation, window=(slice(None), slice(None))):
    """Divide slices of the second image."""
    training, validation = (
        tuple(Region(1, (z,), window) for z in slices) for slices in (training, validation)
    )
    return Split(training, validation, "some slices")


@pytest.fixture
def run(tmp_path):
    """Return a function that makes a run folder with a record."""

    def run(name, parts, start=None):
        made = Run(tmp_path / name)
        made.model.mkdir(parents=True)
        (made.model / DESCRIPTION).touch()
        record_data(made, IMAGES, parts, start)
        return made

    return run


@pytest.fixture
def result(tmp_path):
    """Return a function that makes a finished result of one of the images."""

    def result(run, image=1, region=None):
        path, stack = tmp_path / "result.zarr", IMAGES[image]
        create_image(path, stack.shape, "u1", stack.shape, like=stack, overwrite=True)
        plan = {
            "model_path": str(run.model),
            "image": fingerprint(stack),
            "settings": {"region": region},
        }
        mark_complete(path, plan=plan)
        return path

    return result


def test_slices_of_the_image_that_was_trained_on_are_known(run, result):
    trained = run("run", split([0, 1, 4], [3]))
    uses = uses_of(result(trained))
    assert uses.uses == {
        (0,): Use.TRAINED, (1,): Use.TRAINED, (4,): Use.TRAINED, (3,): Use.VALIDATED
    }  # fmt: skip
    assert uses.of((0, 4)) is Use.TRAINED and uses.of((2,)) is None
    assert uses_of(result(trained, image=0)) == SliceUses()  # another one
    moved = uses_of(result(trained, region="1:5,0:20,0:30"))
    assert [moved.of((z,)) for z in range(4)] == [Use.TRAINED, None, Use.VALIDATED, Use.TRAINED]


def test_parts_of_slices_and_volumes_are_known(run, result):
    blocks = run("blocks", split([0, 1], [0, 1], BLOCK))
    assert {*uses_of(result(blocks)).uses.values()} == {Use.PART}
    whole = slice(None)
    volumes = [(Region(1, (), (slice(*span), whole, whole)),) for span in ((0, 3), (4, 6))]
    uses = uses_of(result(run("volumes", Split(*volumes, "volumes"))))
    assert [uses.of((z,)) for z in (2, 3, 5)] == [Use.TRAINED, None, Use.VALIDATED]


def test_slices_of_the_model_that_it_started_from_count(run, result):
    first = run("first", split([0], [5]))
    second = run("second", split([5], [4]), start=first.model)
    uses = uses_of(result(second))
    assert [uses.of((z,)) for z in (0, 4, 5)] == [Use.TRAINED, Use.VALIDATED, Use.TRAINED]
    first.data.unlink()
    assert "first" in uses_of(result(second)).unknown


def test_what_is_not_known_is_said(run, result, tmp_path):
    trained = run("run", split([0], [3]))
    path = result(trained)
    os.utime(trained.data, ns=(2**62, 2**62))  # another training since
    assert "not known" in uses_of(path).unknown and not uses_of(path).uses
    write_tiff(tmp_path / "other.tif", NOISE[0])
    for foreign in ("other.tif", "nothing.zarr"):
        assert uses_of(tmp_path / foreign).unknown.endswith("does not say which model made it.")


def test_a_run_and_its_results_say_it(files, tmp_path):  # noqa: F811
    image, labels = cells()
    stacks = [Stack(image, "zyx")], [Stack(labels, "zyx")]
    drained(run_training(*stacks, SETTINGS, tmp_path / "run"))
    copy, _ = files  # of the same pixels
    for name in ("result.zarr", "result.tif"):
        predicted(tmp_path / "run", [copy], tmp_path / name, output="classes")
        uses = uses_of(tmp_path / name)
        expected = [Use.TRAINED] * 3 + [Use.VALIDATED]  # the last slice is for validation
        assert [uses.of((z,)) for z in range(4)] == expected
