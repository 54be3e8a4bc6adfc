"""What work is about."""

import gc

from napari.layers import Image

from napari_utile.widgets.kit.subject import Subject


def test_it_is_the_same_under_another_name_and_another_for_another_layer(cells):
    em, other = (Image(cells[0], name=name) for name in ("em", "other"))
    first = Subject.of([em])
    em.name = "renamed"
    assert Subject.of([em]) == first and first.name == "'em'"
    assert Subject.of([other]) != first
    assert Subject.of([em, None]) is Subject.of([]) is None
    assert Subject.of([em] * 4).name == "4 layers"


def test_it_keeps_no_pixels(cells):
    layer = Image(cells[0])
    subject = Subject.of([layer])
    del layer
    gc.collect()
    assert [each() for each in subject.key] == [None]
