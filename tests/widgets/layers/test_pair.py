"""Image and labels are checked together before training."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_utile.errors import UserError
from napari_utile.io.stack import HOLDS
from napari_utile.settings.labels import LabelSettings
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.layers.meaning import label_meaning, say_meaning
from napari_utile.widgets.layers.pair import PairChoice, check_plane, pair_problem

STACK = np.arange(2 * 8 * 10, dtype=np.uint16).reshape(2, 8, 10)


@pytest.fixture
def model():
    return ViewerModel()


def test_a_pair_that_does_not_fit_is_named_with_both_shapes(model):
    image, labels = model.add_image(STACK, name="em"), model.add_labels(STACK[:1], name="mine")
    problem = pair_problem(image, labels)
    both = "Image 'em' (2, 8, 10) and labels 'mine' (1, 8, 10) differ in shape."
    assert problem.startswith(f"{both} They have 2 and 1 slices")
    assert "image layer" in pair_problem(None, labels)
    assert "labels layer for 'em'" in pair_problem(image, None)


def test_channels_beside_two_dimensional_labels_fit(model):
    image, labels = model.add_image(STACK), model.add_labels(STACK[0])
    assert pair_problem(image, labels) == ""


def test_a_layer_of_too_many_axes_is_a_problem_that_is_said(model):
    image, labels = model.add_image(np.zeros((2,) * 5), name="five"), model.add_labels(STACK)
    assert pair_problem(image, labels).startswith("Layer 'five'")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_plane_that_is_not_finite_is_refused_by_layer_and_slice(bad):
    plane = np.arange(4.0).reshape(1, 2, 2)
    plane[0, 1, 1] = bad
    with pytest.raises(UserError, match="Image 'em', slice 7 has pixels that are NaN"):
        check_plane("em", plane, (7,))


def test_a_plane_of_one_gray_value_is_refused(model):
    with pytest.raises(UserError, match=r"Image 'small' is constant \(3\)"):
        check_plane("small", np.full((1, 2, 2), 3), ())


@pytest.fixture
def pair(model, qtbot):
    model.add_image(STACK, name="em")
    for name in ("first", "second"):
        model.add_labels(STACK // 80, name=name)
    pair, form = PairChoice(model), Form(TrainSettings)
    pair.share(form)
    pair.form = form
    for widget in (form, pair.image.native, pair.labels.native, pair.needs, pair.note):
        qtbot.addWidget(widget)
    return pair


def test_a_form_and_the_labels_say_the_same_of_ids(pair, model):
    first, second = model.layers["first"], model.layers["second"]
    strokes = LabelSettings(target="classes", sparse=True, ignore=9)
    say_meaning(first, strokes)  # as the panel Label does
    assert (pair.form.settings().target, pair.form.settings().ignore) == ("classes", 9)
    say_meaning(second, LabelSettings())
    assert pair.form.settings().sparse  # these are not chosen
    pair.form.set_value("sparse", False)
    assert label_meaning(first) == LabelSettings(target="classes", ignore=9)
    assert label_meaning(second) == LabelSettings()


def test_other_labels_bring_their_own_meaning_and_leave_what_the_user_chose(pair, model):
    first, second = model.layers["first"], model.layers["second"]
    say_meaning(first, LabelSettings(sparse=True))
    pair.labels.choose(second)
    assert not pair.form.settings().sparse  # which only `first` said
    pair.form.set_value("target", "classes")
    pair.labels.choose(first)
    assert (pair.form.settings().target, pair.form.settings().sparse) == ("instances", True)
    pair.labels.choose(second)
    assert pair.form.settings().target == "classes"
    pair.form.set_value("network", "unet-3d")
    pair.form.set_value("target", "affinities")
    assert label_meaning(second).target == "instances"  # what is learnt is not what they mean
    assert pair.form.settings().target == "affinities"


def test_what_blocks_is_the_problem_and_comes_with_a_link(pair, model, qtbot):
    model.layers["first"].data[...] = 0
    told = []
    pair.changed.connect(lambda: told.append(pair.check(TrainSettings())))
    pair.check(TrainSettings())
    qtbot.waitUntil(lambda: len(told) > 0)
    assert told[0] == "'first' is empty: paint on the image."
    assert pair.labels.native.toolTip() == told[0]
    assert "Take the brush" in pair.needs.text()
    pair.needs.linkActivated.emit("select 1")
    assert model.layers.selection.active is model.layers["first"]
    assert pair.check(None) == "" and pair.needs.text() == ""


def test_probabilities_are_no_image_of_a_pair(viewer, qtbot):
    viewer.add_image(np.zeros((3, 64, 64)), name="p", metadata={HOLDS: "probabilities"})
    pair = PairChoice(viewer)
    qtbot.addWidget(pair.image.native)
    assert [layer.name for layer in pair.image.choices] == ["em"]
