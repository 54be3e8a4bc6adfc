"""The line above results."""

from napari_utile.widgets.kit.caption import Caption
from napari_utile.widgets.kit.subject import Subject


def test_it_says_what_results_are_of(qtbot):
    caption = Caption()
    qtbot.addWidget(caption)
    caption.show_subject(Subject(1, "'em'"))
    assert caption.text().startswith("On 'em', today ") and not caption.isHidden()
    caption.show_subject(None)
    assert caption.isHidden()
