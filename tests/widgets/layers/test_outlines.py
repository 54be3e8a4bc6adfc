"""Outlines of the object that is looked at."""

import numpy as np

from tests.fixtures.evaluate_panel import click_on


def test_a_click_on_an_object_brings_it_into_view_and_outlines_it(docked, window, run, qtbot):
    run(docked)
    truth = window.layers["cells"]
    window.dims.set_point(0, 100)
    click_on(qtbot, docked, "missed")
    assert window.dims.point[0] == 50
    # id 2 on slice 1: y 8 to 55, x 32 to 55, of 4 nm, the first pixel at (100, 200)
    np.testing.assert_allclose(
        window.scene.camera.center[-2:], (100 + 4 * 31.5, 200 + 4 * 43.5)
    )
    height = min(window.canvas.size) / window.scene.camera.zoom
    assert 0.4 < 48 * 4 / height < 0.7  # it fills a good part of the view
    outline = window.layers["object"]
    np.testing.assert_array_equal(outline.scale, truth.scale)
    points = outline.data[:, 0]
    assert set(points[:, 0]) == {1}
    np.testing.assert_array_equal(points[:, 1:].min(0), (7.5, 31.5))
    np.testing.assert_array_equal(points[:, 1:].max(0), (55.5, 55.5))


def test_outlines_of_the_next_object_replace_the_last(docked, window, run, qtbot):
    run(docked)
    click_on(qtbot, docked, "missed")
    layer = window.layers["object"]
    white = layer.edge_color[0].copy()
    click_on(qtbot, docked, "invented")
    assert [x for x in window.layers if x.name.startswith("object")] == [layer]
    assert set(layer.data[:, 0, 0]) == {2}
    assert not (layer.edge_color == white).all(axis=1).any()  # nothing true is there
    run(docked)
    assert "object" not in window.layers
