"""The picture of a few images and what networks find in them."""

import numpy as np
import pytest
from matplotlib import rc_context

from napari_utile.coco.experiment import figure
from napari_utile.coco.experiment.figure import Example, draw_examples


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw examples and return the figure instead of its file."""

    def drawn(*examples):
        seen = []
        monkeypatch.setattr(figure, "save", lambda picture, path: seen.append(picture))
        draw_examples(tmp_path / "a.png", examples)
        return seen.pop()

    return drawn


TRUTH = np.array([[1, 1, 0, 2, 2, 2]])


def test_there_is_a_row_per_image_and_a_column_per_network(drawn):
    results = {"unet": TRUTH, "fcn": 0 * TRUTH}
    examples = [Example(i, np.zeros((3, 1, 6)), TRUTH, results) for i in range(2)]
    axes = drawn(*examples).axes
    assert len(axes) == 2 * 4
    assert [ax.get_title() for ax in axes[:4]] == ["image", "truth", "unet", "fcn"]


def test_settings_of_matplotlib_do_not_matter(drawn):
    with rc_context({"text.usetex": True}):
        (image, *_) = drawn(Example(0, np.zeros((3, 1, 6)), TRUTH, {"unet": TRUTH})).axes
    assert not image.title.get_usetex()


def test_an_object_that_is_found_has_its_true_color_and_another_is_white(drawn):
    found = np.array([[9, 9, 0, 0, 0, 4]])  # 4 covers a third of object 2
    (_, truth, result) = drawn(Example(0, np.zeros((1, 1, 6)), TRUTH, {"unet": found})).axes
    true, painted = (ax.images[0].get_array()[0] for ax in (truth, result))
    np.testing.assert_array_equal(painted[:3], true[:3])
    np.testing.assert_array_equal(painted[5], [1, 1, 1])
    assert not (true[0] == true[3]).all()
