"""A package that tells other programs something else than U-Tile is refused."""

from pathlib import Path

import pytest

from napari_utile.errors import UserError
from napari_utile.folders.model import card_in, read_description

FOLDER = Path(__file__).parents[1] / "old" / "coco_trained" / "unet-seed0" / "model"
"""A model of three channels and two classes, as an older version wrote it."""
FLOAT = {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}
BINARY = {"id": "binarize", "kwargs": {"threshold": 0.5}}


def fed(**change):
    """Feed images otherwise."""
    numbers = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "axis": "channel"}
    return [{"id": "fixed_zero_mean_unit_variance", "kwargs": numbers | change}]


def part(description, place):
    """Return a mapping or list inside, and the last key of its place."""
    *keys, last = place
    for key in keys:
        description = description[key]
    return description, last


PREPROCESSING = ("inputs", 0, "preprocessing")
IMAGE, MAPS = ("inputs", 0, "axes"), ("outputs", 0, "axes")
KWARGS = ("weights", "pytorch_state_dict", "architecture", "kwargs")
CARD = ("config", "utile")


@pytest.mark.parametrize(
    ("place", "value", "there", "here"),
    [
        (PREPROCESSING, fed(), "preprocessing is none", "normalization it is mean 95"),
        (PREPROCESSING, None, "preprocessing is none", "normalization it is mean 95.33398"),
        (PREPROCESSING, fed(mean=1.0, std=2.0), "is mean 1, 1, 1 and std 2, 2, 2", "40.90647"),
        (PREPROCESSING, fed(axis="x"), "is fixed_zero_mean", "normalization"),
        (PREPROCESSING, [{"id": "scale_range", "kwargs": {"min_percentile": 1}}],
         "is scale_range {'min_percentile': 1}", "normalization"),
        (PREPROCESSING, 7 * [[[["\x1b"]]]], "is [[['\\x1b']]]", "normalization"),
        ((*CARD, "normalize"), "image", "is mean 95.33398", "it is zero_mean_unit_variance"),
        ((*CARD, "normalization", "mean"), [0, 0, 0], "is mean 95.33398", "it is mean 0, 0, 0"),
        (("outputs", 0, "postprocessing"), [FLOAT, BINARY], "is binarize", "it is none"),
        ((*IMAGE, 2, "id"), "x", "inputs: axes is batch, channel, x, x", "channel, y, x"),
        ((*MAPS, 3, "id"), "z", "outputs: axes is batch, channel, y, z", "channel, y, x"),
        (IMAGE, "bcyx", "inputs: axes is bcyx", "batch, channel, y, x"),
        ((*IMAGE, 1, "channel_names"), ["channel1", "c", "d"], "is channel1, c", "channel0"),
        ((*IMAGE, 1, "channel_names"), ["a", "b"], "is a, b", "channel0, channel1, channel2"),
        ((*MAPS, 1, "channel_names"), ["class1", "class0"], "is class1, class0", "class0"),
        ((*MAPS, 1, "channel_names"), ["foreground", "Background"], "is foreground", "class0"),
        ((*MAPS, 1, "channel_names"), ["foreground", "x"], "is foreground, x", "class0"),
        ((*KWARGS, "padding"), "valid", "kwargs: padding is valid", "arguments it is same"),
        ((*CARD, "arguments", "depth"), 3, "kwargs: depth is 1", "arguments it is 3"),
        ((*KWARGS, "more"), [16**9000], "kwargs: more is a number", "arguments it is None"),
    ],
)  # fmt: skip
def test_a_package_that_contradicts_itself_is_refused(place, value, there, here):
    description = read_description(FOLDER)
    inside, key = part(description, place)
    inside[key] = value
    with pytest.raises(UserError, match="contradicts itself: ") as refused:
        card_in(description, FOLDER)
    found, _, by_card = str(refused.value).partition(", but by config: utile: ")
    assert there in found and here in by_card and str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (PREPROCESSING, lambda steps: [FLOAT, *steps, FLOAT]),
        (("outputs", 0, "postprocessing"), lambda _: [FLOAT]),
        ((*IMAGE, 0, "id"), lambda _: "batch"),
        ((*IMAGE, 1, "channel_names"), lambda _: ["red", "green", "background"]),
        ((*MAPS, 1, "channel_names"), lambda _: ["background", "foreground"]),
        (("inputs",), lambda _: None),
        (("weights",), lambda _: None),
    ],
)
def test_what_says_the_same_in_other_words_is_read(place, change):
    description = read_description(FOLDER)
    inside, key = part(description, place)
    inside[key] = change(inside.get(key) if isinstance(inside, dict) else inside[key])
    assert card_in(description, FOLDER).in_channels == 3
