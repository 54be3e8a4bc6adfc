"""The image below a result."""

from datetime import datetime

import numpy as np
import pytest
import tifffile

from napari_utile.folders.job import JobRecord, ShownResult
from napari_utile.io.images import write_tiff
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.runs.showing import (
    add_below,
    image_path,
    opened_below,
    show_comparison,
)
from tests.fixtures.known_job import PLACE


def record(*arguments, **more):
    given = {"title": "em", "output": "instances", "out": "out", "created": datetime.now()}
    return JobRecord(arguments=arguments, **given | more)


def test_the_image_of_a_result_is_found_among_the_words_of_its_command(tmp_path):
    (tmp_path / "b.tif").touch()
    b, out = str(tmp_path / "b.tif"), {"name": "b", "out": "out"}
    first, second, none = (ShownResult(image=x, **out) for x in ("a.tif", "b.tif", ""))
    job = record("predict", "model", "a.tif", b, "--out", "out")
    assert image_path(job, second) == b
    assert image_path(job, second, "b.tif") == b  # its event may tell the name alone
    assert image_path(job, first) == ""  # it is not there
    assert image_path(record("predict", "m", "*.tif"), second, b) == b
    assert image_path(record("train", "i.tif", "l.tif"), none) == "i.tif"
    assert image_path(record("train"), none) == ""


@pytest.mark.parametrize(
    ("shape", "axes", "shown"),
    [((3, 8, 9), "ZYX", [(3, 8, 9)]), ((3, 2, 8, 9), "ZCYX", [(3, 8, 9)] * 2)],
)
def test_an_image_is_added_once_with_its_contrast_and_place(
    tmp_path, viewer, home, shape, axes, shown
):
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    path = tmp_path / "em.ome.tif"
    tifffile.imwrite(path, pixels, metadata={"axes": axes})
    result = ShownResult(image=path.name, name="mine", out="out", place=PLACE)
    below = opened_below(record("predict", "m", str(path)), result, str(path))
    viewer.layers.selection.active = viewer.layers["cells"]  # who paints goes on
    layers = add_below(viewer, below)
    assert viewer.layers.selection.active is viewer.layers["cells"]
    assert [layer.data.shape for layer in layers] == shown
    np.testing.assert_array_equal(layers[0].translate, (0, 100, 200))
    middle = pixels[1]
    np.testing.assert_array_equal(layers[0].contrast_limits, (middle.min(), middle.max()))
    assert add_below(viewer, below) == layers


def test_a_layer_that_was_copied_is_known_by_its_name_and_a_torn_image_is_left_out(
    home, viewer
):
    path = home / "segmentations" / "x" / "em.tif"
    path.parent.mkdir(parents=True)
    tifffile.imwrite(path, np.zeros((8, 9), np.uint8))
    result = ShownResult(image="em.tif", name="em", out="out")
    job = record("predict", "m", str(path))
    assert add_below(viewer, opened_below(job, result, str(path))) == [viewer.layers["em"]]
    path.write_bytes(b"II*")
    assert opened_below(job, result, str(path)) is None


def test_a_comparison_is_shown_by_what_its_networks_made(viewer, compared, cells, tmp_path):
    for network in ("unet", "segnet"):
        folder = compared / f"{network}-seed0"
        (folder / "settings.json").write_text(TrainSettings(network=network).text())
        (folder / "validation" / "scores.json").touch()
    write_tiff(tmp_path / "labels.tif", cells[1])
    job = record("compare", "em.tif", str(tmp_path / "labels.tif"), out=compared)
    show_comparison(viewer, job, viewer.layers["em"])
    np.testing.assert_array_equal(viewer.layers["segnet"].data, cells[1][1:, :, 16:] + 2)
    assert "unet" in viewer.layers and "truth" in viewer.layers
