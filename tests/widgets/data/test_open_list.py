"""The list of what is open, and its links."""

import numpy as np
from napari.layers import Labels

from napari_utile.widgets.data.open_list import ALL, HOW, OpenList


def test_a_click_shows_an_image_alone_and_says_so(viewer, qtbot):
    listed = OpenList(viewer)
    qtbot.addWidget(listed)
    assert (
        "em: 3\N{NO-BREAK SPACE}x\N{NO-BREAK SPACE}64" in listed.text()
        and HOW not in listed.text()
    )
    viewer.add_image(np.zeros((8, 9), np.uint8), name="small")
    viewer.add_labels(np.zeros((8, 9), np.uint8), name="small_mask")
    text = listed.text()
    assert HOW in text and text.index("small_mask") < text.index(">em<") < text.index("cells")
    listed.linkActivated.emit("0")
    assert [layer.visible for layer in viewer.layers] == [True, True, False, False]
    assert (
        "Only 'em' is shown, with its labels: 2 other layers hidden, not closed."
        in listed.text()
    )
    listed.linkActivated.emit(ALL)
    assert all(layer.visible for layer in viewer.layers) and HOW in listed.text()


def test_an_image_that_is_called_as_labels_is_converted_by_a_link(viewer, qtbot):
    listed = OpenList(viewer)
    qtbot.addWidget(listed)
    assert "may be labels" not in listed.text()
    viewer.add_image(viewer.layers["cells"].data.copy(), name="em_mask")
    assert "may be labels of 'em':" in listed.text()
    listed.linkActivated.emit("convert:em_mask")
    assert isinstance(viewer.layers["em_mask"], Labels) and "may be" not in listed.text()
