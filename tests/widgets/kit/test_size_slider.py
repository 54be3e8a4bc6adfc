"""A slider of sizes: fine where they are small; a typed one may be larger."""

from napari_utile.widgets.kit.size_slider import SizeSlider


def test_slider_and_number_follow_each_other(qtbot):
    sizes, told = SizeSlider(1000, 10**6), []
    qtbot.addWidget(sizes)
    sizes.changed.connect(lambda: told.append(sizes.value))
    sizes.slider.setValue(100)  # half of the way is an eighth
    assert told == [125]
    sizes.slider.setValue(sizes.slider.maximum())
    sizes.set_value(8)  # a fifth of the way
    sizes.set_value(70_000)
    assert told == [125, 1000, 8, 70_000]
    assert sizes.slider.value() == sizes.slider.maximum()
    sizes.set_value(8)
    assert sizes.slider.value() == 40
