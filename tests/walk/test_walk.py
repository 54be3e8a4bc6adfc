"""The walk through the real window, with the real engine: train, segment, correct, evaluate.

And how long the window stands still meanwhile, beside what napari itself takes for a layer.
"""

import gc

import numpy as np
import pytest
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtWidgets import QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_utile.folders.run import Run
from napari_utile.io.images import open_image
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.home.panel import HomePanel
from napari_utile.widgets.home.steps import STEPS
from tests.walk.monitor import Gap
from tests.walk.steps import the_whole
from tests.walk.walk import HEADINGS, SIZE, Seen, Walk

TINY = {"depth": "2", "width": "4", "tile": "64", "batch": "1", "seed": "1"}
GAP = 0.1
"""Longest pause of the event loop, in CPU seconds of the window's thread."""


def of_napari(walk):
    """Return the longest pause when napari adds an image or labels, not for the first time.

    The first time it loads and compiles what draws them, and their color bars and outlines:
    that is done here, so that it is in no step.
    """
    pixels, viewer, gaps = np.ones((8, 64, 64), np.uint8), walk.viewer, []
    direct = DirectLabelColormap(color_dict={None: "transparent", 1: "red"})
    kinds = [
        (viewer.add_image, np.uint8, {}),
        (viewer.add_labels, np.uint8, {"colormap": direct}),
        *((viewer.add_labels, dtype, {}) for dtype in (np.uint8, np.uint16, np.uint32)),
    ]
    for count in range(2):
        for add, dtype, options in kinds:
            walk.wait(0.2)
            walk.monitor.begin()
            layer = add(pixels.astype(dtype) * (count + 1), **options)
            walk.wait(0.2)
            gaps.append(walk.monitor.end().cpu)
            layer.bounding_box.visible = True
            if hasattr(layer, "colorbar"):
                layer.colorbar.visible = True
            if hasattr(layer, "contour"):
                layer.contour = 1
            walk.wait(0.2)
            viewer.layers.remove(layer)
    return max(gaps[len(kinds) :])


@pytest.mark.timeout(300)
def test_the_whole_walk(make_napari_viewer_proxy, qtbot, home, errors, warm):
    viewer = make_napari_viewer_proxy()
    viewer.window.resize(*SIZE)
    viewer.window.show()
    panel = HomePanel(viewer)
    viewer.window.add_dock_widget(panel, name="U-Tile", area="right")
    walk = Walk(viewer, panel)
    try:
        napari = of_napari(walk)
        for step in STEPS:  # to build a panel takes longer, once
            panel.open_step(step.title)
        the_whole(walk, "0.1", TINY)
    finally:
        walk.monitor.stop()
    assert errors == []
    assert gc.get_freeze_count() == 0  # the dock is closed: what was in it may be garbage
    said = {row.step: row.said for row in walk.rows}

    # what the fields said is what was done, and what is shown is what is on the disk
    (folder,) = (home / "runs").iterdir()
    run, train = Run(folder), panel.panels["Train"]
    assert TrainSettings.read(run.settings) == train.form.settings()
    assert run.model.exists() and "Done after" in said["train"]
    results = sorted((home / "segmentations").iterdir())
    assert len(results) == 2
    layer = viewer.layers["Synthetic ssTEM instances"]
    np.testing.assert_array_equal(layer.scale, (50, 4, 4))
    stored = open_image(results[0] / "instances.zarr" / "labels" / "instances").read()
    np.testing.assert_array_equal(np.asarray(layer.data), stored)
    assert 0 <= panel.panels["Evaluate"].report["iou"] <= 1
    assert "Saved" in said["edit a result"]

    # napari takes a tenth of a second and more for one layer: no step may take much longer
    slow = {row.step: row.gap.cpu for row in walk.rows if row.gap.cpu > max(GAP, 2 * napari)}
    assert slow == {}, napari


def test_a_row_of_the_table_can_be_shown_as_it_is():
    row = Seen("data", Gap(0.0254, 1.2), "<b>labels</b>&nbsp;a|b:\n8 x 256").line()
    assert row == r"| data | 25 ms | 1200 ms | labels a\|b: 8 x 256 |"
    assert [line.count("|") for line in HEADINGS.splitlines()] == [5, 5]


def test_what_is_scrolled_away_or_cut_off_is_not_in_view(qtbot):
    area, column = QScrollArea(), QWidget()
    buttons = [QPushButton(name) for name in ("above", "below")]
    rows = QVBoxLayout(column)
    rows.addWidget(buttons[0])
    rows.addSpacing(500)
    rows.addWidget(buttons[1])
    area.setWidget(column)
    qtbot.addWidget(area)
    area.resize(300, 200)
    area.show()
    Walk.are_in_view(None, buttons[0])
    with pytest.raises(AssertionError, match="'below' is not in view"):
        Walk.are_in_view(None, buttons[1])
