"""Results of every network, side by side or on the image."""

import numpy as np
from napari.utils.theme import get_theme

from napari_utile.io.images import write_tiff
from napari_utile.widgets.kit.colors import contrast
from napari_utile.widgets.layers.comparison import ComparisonLayers


def test_slices_that_are_not_in_a_row_lie_where_they_belong(tmp_path):
    from napari_utile.widgets.layers.comparison import _read_slices

    write_tiff(tmp_path / "a.tif", np.full((2, 3, 4), [[[5]], [[6]]], np.uint8))
    found = _read_slices(tmp_path / "a.tif", [[1], [4]])
    assert found.shape == (4, 3, 4, 1)
    assert found[:, 0, 0, 0].tolist() == [5, 0, 0, 6]


def test_results_lie_on_their_place_or_in_a_row_and_go_together(viewer, compared, cells):
    em = viewer.layers["em"]
    viewer.layers.selection.active = viewer.layers["cells"]  # who paints goes on
    layers = ComparisonLayers(viewer, em, cells[1].shape)
    layers.show(compared, {"unet": compared / "unet-seed0"}, is_row=False)
    assert viewer.layers.selection.active is viewer.layers["cells"]
    unet = viewer.layers["unet"]
    np.testing.assert_array_equal(unet.data, cells[1][1:, :, 16:] + 1)
    np.testing.assert_allclose(unet.data_to_world((0, 0, 0)), em.data_to_world((1, 0, 16)))
    layers.show_in_a_row(True)
    truth = viewer.layers["truth"]
    assert truth.translate[-1] > em.extent.world[1, -1]
    assert unet.translate[-1] >= truth.translate[-1] + 48 * 4
    layers.remove()
    assert [layer.name for layer in viewer.layers] == ["em", "cells"]


def test_the_names_above_can_be_read_on_the_canvas_of_each_theme(viewer, compared, cells):
    layers = ComparisonLayers(viewer, viewer.layers["em"], cells[1].shape)
    layers.show(compared, {"unet": compared / "unet-seed0"}, is_row=True)
    text = viewer.layers["networks"].text
    assert text.values.tolist() == ["truth", "unet"]
    color = tuple(round(255 * part) for part in np.ravel(text.color.constant)[:3])
    for theme in ("dark", "light"):
        canvas = get_theme(theme).canvas.as_rgb_tuple()[:3]
        assert contrast(color, canvas) > 4
