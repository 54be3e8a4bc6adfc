"""The weight-map panel: an overlay that follows the sliders and the brush."""

import numpy as np
import pytest

from napari_utile.arrays.targets import training_target
from napari_utile.arrays.weight_maps.weight_map import target_weights, weight_map
from napari_utile.widgets.kit.memory import remember
from napari_utile.widgets.train.panel import TrainPanel
from napari_utile.widgets.weight_map.panel import WeightMapPanel


@pytest.fixture
def panel(open_panel, viewer):
    return open_panel(WeightMapPanel, viewer)


@pytest.fixture
def shown(panel, press, qtbot):
    press(panel.controls.button)
    qtbot.waitUntil(all_drawn(panel), timeout=60_000)  # numba compiles in the first run
    return panel


def all_drawn(panel):
    return lambda: panel.overlay is not None and not panel.controls.is_running


def expected_weights(labels, w0=2, sigma=5, **options):
    """Compute the map with the defaults of training."""
    return weight_map(labels, w0, sigma, **{"class_balance": False} | options)


def same(panel, labels, *arguments, **options):
    expected = expected_weights(labels, *arguments, **options)
    return np.allclose(panel.overlay.data, expected, atol=1e-5)


def test_shows_the_weights_of_every_slice(shown, viewer, cells):
    assert same(shown, cells[1])
    assert shown.overlay.colorbar.visible
    np.testing.assert_array_equal(shown.overlay.scale, viewer.layers["cells"].scale)


def test_the_slice_in_view_follows_a_slider_at_once_and_the_others_soon(
    shown, viewer, cells, qtbot
):
    viewer.dims.set_current_step(0, 1)
    shown.form.set_value("sigma", 9.0)
    expected = expected_weights(cells[1], 2, 9)
    np.testing.assert_allclose(shown.overlay.data[1], expected[1], atol=1e-5)
    assert not np.allclose(shown.overlay.data[2], expected[2], atol=1e-5)
    qtbot.waitUntil(lambda: same(shown, cells[1], 2, 9))


def test_a_slice_that_comes_into_view_is_up_to_date(shown, viewer, cells):
    shown.form.set_value("w0", 33.0)
    viewer.dims.set_current_step(0, 2)
    np.testing.assert_allclose(
        shown.overlay.data[2], expected_weights(cells[1], 33)[2], atol=1e-5
    )


def test_painting_and_undoing_redraw(shown, viewer, qtbot, cells):
    layer = viewer.layers["cells"]
    layer.brush_size = 12
    layer.paint((1, 30, 31), 0)
    assert (layer.data != cells[1]).any()
    qtbot.waitUntil(lambda: same(shown, layer.data))
    viewer.dims.set_current_step(0, 2)  # what is undone is out of view
    layer.undo()
    qtbot.waitUntil(lambda: same(shown, cells[1]))


def test_class_balance_and_ignore_measure_anew(shown, cells, qtbot):
    shown.form.set_value("class_balance", True)
    qtbot.waitUntil(lambda: same(shown, cells[1], class_balance=True))
    shown.form.set_value("ignore", "2")
    qtbot.waitUntil(lambda: same(shown, cells[1], class_balance=True, ignore=2))


def test_the_weights_are_those_of_training_until_they_are_handed_over(
    panel, open_panel, viewer, press
):
    train = open_panel(TrainPanel, viewer)
    assert panel.difference.isHidden() and not panel.use.isEnabled()
    panel.form.set_value("sigma", 9.0)
    panel.form.set_value("class_balance", True)
    assert "w0 2, sigma 5, class balance off" in panel.difference.text()
    press(panel.use)
    settings = train.form.settings()
    assert (settings.w0, settings.sigma, settings.class_balance) == (2, 9, True)
    assert panel.difference.isHidden()
    train.form.set_value("w0", "80")
    assert not panel.difference.isHidden()
    press(panel.take)
    assert panel.form.settings().w0 == 50  # as far as the slider goes
    assert "w0 80" in panel.difference.text()
    assert open_panel(WeightMapPanel, viewer).form.settings().sigma == 9


def test_it_begins_with_what_training_had_in_the_last_session(open_panel, viewer):
    remember("train", {"options": {"w0": 7.0, "steps": 9}})
    remember("weight map", {"options": {"w0": 3.0, "ignore": 4}})
    panel = open_panel(WeightMapPanel, viewer)
    settings = panel.form.settings()
    assert (settings.w0, settings.sigma, settings.class_balance) == (7, 5, False)
    assert settings.ignore == 4 and panel.difference.isHidden()
    panel.use.setEnabled(True)
    panel.form.set_value("w0", 1.0)
    panel.use.click()
    assert open_panel(TrainPanel, viewer).form.settings().w0 == 1  # not what is remembered


def test_colors_end_at_the_largest_weight_until_the_user_sets_them(shown, cells):
    def ends_at(w0):
        largest = expected_weights(cells[1], w0).max()  # of a gap of one pixel
        assert largest > 1 + 0.9 * w0
        assert shown.overlay.contrast_limits == pytest.approx((0, largest), rel=1e-5)
        return f"{largest - 1:.2f}" in shown.legend.text()

    assert ends_at(2) and shown.fit.isHidden()
    for w0 in (43, 1.4):  # up and down
        shown.form.set_value("w0", w0)
        assert ends_at(w0)
    shown.overlay.contrast_limits = (0, 1.5)
    shown.form.set_value("w0", 43)
    assert shown.overlay.contrast_limits == [0, 1.5] and not shown.fit.isHidden()
    shown.fit.linkActivated.emit("fit")
    assert ends_at(43) and shown.fit.isHidden()


def test_labels_are_outlines_on_the_map_while_that_is_ticked(shown, viewer):
    layer = viewer.layers["cells"]
    assert layer.contour == 1 and layer.visible and shown.overlay.opacity == 1
    shown.outlines.click()
    assert layer.contour == 0
    shown.outlines.click()
    viewer.layers.remove("weight map")
    assert layer.contour == 0 and shown.legend.isHidden()


def test_an_overlay_that_was_removed_stays_away(shown, viewer, qtbot):
    viewer.layers.remove("weight map")
    shown.form.set_value("sigma", 9.0)
    qtbot.wait(500)
    assert "weight map" not in viewer.layers


def test_a_single_image_has_one_slice(open_panel, press, qtbot, cells):
    from napari.components import ViewerModel

    flat = ViewerModel()
    flat.add_labels(cells[1][0])
    panel = open_panel(WeightMapPanel, flat)
    press(panel.controls.button)
    qtbot.waitUntil(all_drawn(panel))
    assert same(panel, cells[1][0])


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_objects_give_finite_weights(shown, viewer, qtbot, count):
    layer = viewer.layers["cells"]
    layer.data = np.where(layer.data == count, count, 0)
    qtbot.waitUntil(lambda: same(shown, layer.data))
    assert np.isfinite(shown.overlay.data).all()


def test_a_mask_is_split_into_objects(shown, viewer, qtbot, cells):
    layer = viewer.layers["cells"]
    layer.data = (layer.data > 0).astype(np.uint8)
    qtbot.wait(500)
    qtbot.waitUntil(lambda: same(shown, cells[1]))


def test_touching_cells_are_parted_as_they_are_for_training(shown, viewer, qtbot, cells):
    touching = cells[1].copy()
    touching[..., 31] = touching[..., 30]
    viewer.layers["cells"].data = touching
    weights = target_weights(training_target(touching), 2, 5, False)
    qtbot.waitUntil(lambda: np.allclose(shown.overlay.data, weights, atol=1e-5))
    assert shown.overlay.data[0, 30, 32] > 2 * shown.overlay.data[0, 30, 20]


def test_the_map_of_other_labels_lies_where_they_lie(shown, viewer, press, qtbot, cells):
    place = {"scale": (2, 3, 4), "translate": (5, 6, 7), "rotate": 30}
    shown.labels_layer.choose(viewer.add_labels(cells[1].copy(), name="other", **place))
    press(shown.controls.button)
    qtbot.waitUntil(all_drawn(shown))
    assert [x.name for x in viewer.layers if "weight" in x.name] == ["weight map"]
    where = (1, 20, 30)
    expected = viewer.layers["other"].data_to_world(where)
    np.testing.assert_allclose(shown.overlay.data_to_world(where), expected)


def test_without_labels_there_is_nothing_to_show(panel, viewer):
    viewer.layers.remove("cells")
    assert not panel.controls.button.isEnabled()
    assert "labels layer" in panel.controls.messages.text()
