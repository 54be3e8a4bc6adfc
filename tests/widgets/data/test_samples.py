"""The sample that is downloaded while the window goes on."""

import numpy as np
from qtpy.QtCore import QTimer

from napari_utile.widgets.data import samples


def test_in_a_window_the_download_goes_on_behind_it_and_in_a_script_it_is_waited_for(
    viewer, monkeypatch, qtbot
):
    sample = [(np.zeros((2, 4, 4), np.uint8), {"name": "I"}, "image")]
    told = []
    monkeypatch.setattr(samples, "isbi2012_layers", lambda: sample)
    monkeypatch.setattr(samples, "current_viewer", lambda: viewer)
    monkeypatch.setattr(samples, "show_info", told.append)
    assert samples.isbi2012_sample() == sample
    found = []
    QTimer.singleShot(0, lambda: found.append(samples.isbi2012_sample()))
    qtbot.waitUntil(lambda: "I" in viewer.layers)
    assert found == [[]] and len(told) == 1
