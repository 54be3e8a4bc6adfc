"""What cannot be trained on is found from counts and pixels, with the remedy that helps."""

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_utile.arrays.painted import PaintedPixels, count_ids
from napari_utile.errors import UserError
from napari_utile.io.stack import Stack
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.layers.readiness import (
    field_of_unet,
    holds_ids,
    look,
    may_hold_ids,
    needs_of,
)

CELLS = np.zeros((2, 100, 100), np.uint16)
CELLS[:, 10:30, 10:30], CELLS[:, 60:90, 50:95] = 1, 2
STROKES = np.zeros((2, 300, 300), np.uint16)
STROKES[0, 20:24, 20:200], STROKES[0, 80:84, 20:200] = 1, 2
APART = STROKES.copy()
APART[0, 220:224, 20:200], APART[0, 280:284, 20:200] = 1, 2


def counted(labels):
    pixels = PaintedPixels(labels.shape)
    for index in np.ndindex(*labels.shape[:-2]):
        pixels.set_plane(index, count_ids(labels[index]))
    return pixels


def found(labels, **options):
    settings, pixels = TrainSettings(**options), counted(labels)
    image = Image(np.zeros(labels.shape), name="em")
    seen = look(labels, pixels, settings)
    return needs_of(image, Labels(labels, name="la"), settings, pixels, seen)


def acts(needs):
    return [
        (need.is_blocking, [f"{r.act} {r.of}".strip() for r in need.remedies]) for need in needs
    ]


@pytest.mark.parametrize(
    ("labels", "options", "said", "expected"),
    [
        (0 * CELLS, {}, "'la' is empty", [(True, ["select 1"])]),
        (0 * CELLS, {"sparse": True}, "'la' is empty", [(True, ["select 2"])]),
        (0 * CELLS + 9, {"ignore": 9}, "holds only the label 9", [(True, ["select 1"])]),
        (0 * CELLS + 1, {}, "one kind of pixel only, label 1", [(True, ["select 2"])]),
        (np.minimum(STROKES, 1), {"sparse": True}, "1 is background",
         [(True, ["select 2", "raise"])]),
        (STROKES // 2 * 3, {"sparse": True}, "a stroke with label 1", [(True, ["select 1"])]),
        (STROKES // 2 * 3, {"sparse": True, "target": "classes"}, "one kind of pixel",
         [(True, ["select 4"])]),
        (STROKES, {}, "Only 1.6% of one slice is painted", [(True, ["sparse"])]),
        (np.pad(APART[0], ((0, 0), (0, 400))), {}, "If you painted", [(False, ["sparse"])]),
    ],
)  # fmt: skip
def test_each_mistake_is_one_sentence_with_its_remedy(labels, options, said, expected):
    told = found(labels, **options)
    assert said in told[0].text
    assert acts(told) == expected


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (CELLS, {}),
        (CELLS, {"target": "classes"}),
        (CELLS + 1, {}),  # objects that fill the image are told apart by borders
        (APART, {"sparse": True}),
        (APART, {"sparse": True, "network": "unet-3d"}),
    ],
)
def test_labels_that_can_be_trained_on_raise_nothing(labels, options):
    assert found(labels, **options) == []


def test_few_compact_objects_are_no_strokes():
    few = np.zeros((1, 400, 400), int)
    y, x = np.ogrid[:400, :400]
    few[0, (y - 200) ** 2 + (x - 200) ** 2 < 40**2] = 1  # a disc on 3 % of the slice
    assert not look(few, counted(few), TrainSettings()).strokes
    assert look(STROKES, counted(STROKES), TrainSettings()).strokes


def test_strokes_in_one_place_leave_no_part_to_check_by():
    here = np.zeros((300, 300), int)
    here[20:30, 20:30], here[280:290, 280:290] = 1, 2  # in two corners
    for settings, is_sure in (
        (TrainSettings(sparse=True), True),
        (CompareSettings(sparse=True), False),  # of networks that see more or less
    ):
        seen = look(here, counted(here), settings)
        assert "in two places that lie apart" in seen.lacking
        assert seen.is_sure is is_sure
    assert look(APART, counted(APART), TrainSettings(sparse=True)).lacking == ""


def test_the_receptive_field_is_that_of_the_engine():
    from napari_utile.engine.models.factory import receptive_field

    for padding in ("same", "valid"):
        for depth in (2, 4):
            settings = TrainSettings(padding=padding, depth=depth)
            assert (field_of_unet(settings),) * 2 == receptive_field(settings)


@pytest.mark.parametrize("seed", range(12))
def test_the_engine_refuses_what_is_said_to_lack_a_part(seed):
    from napari_utile.engine.training.data.annotations import Annotations
    from napari_utile.engine.training.data.division import divide

    draw = np.random.default_rng(seed)
    labels = np.zeros((3, 90, 120), np.uint16)[seed % 3 :]
    for id_ in (1, 2, 1, 2)[: 2 + seed % 3]:
        z, y, x = draw.integers((len(labels), 80, 100))
        labels[z, y : y + 4, x : x + 20] = id_
    options = {"sparse": seed % 2 == 0, "target": ("instances", "classes")[seed // 6]}
    settings = TrainSettings(depth=2, empty_slices="unannotated", **options)
    image = Stack(draw.random(labels.shape, np.float32), "zyx", "im")
    try:
        annotations = Annotations.read([image], [Stack(labels, "zyx", "la")], settings)
        divide(annotations.pairs, settings, field_of_unet(settings))
    except UserError:
        refused = True
    else:
        refused = False
    told = needs_of(
        Image(image.data), Labels(labels), settings, counted(labels),
        look(labels, counted(labels), settings),
    )  # fmt: skip
    assert any(need.is_blocking for need in told) == refused


def test_nothing_is_said_of_pixels_before_all_are_counted():
    pixels = PaintedPixels(CELLS.shape)
    assert needs_of(None, Labels(CELLS), TrainSettings(), pixels) == []


def test_images_that_hold_ids_are_told_from_images(cells):
    blobs = np.kron(np.arange(16).reshape(4, 4), np.ones((20, 20), int))
    noise = np.random.default_rng(0).integers(0, 200, (80, 80))
    dark = np.where(blobs > 2, 0, noise)  # fluorescence: most of it is black
    burnt = np.where(blobs > 2, 255, noise)  # bright field: most of it is white
    assert [holds_ids(x) for x in (blobs, 255 * (blobs > 7), cells[1])] == [True] * 3
    assert holds_ids(blobs.astype(np.float32))
    assert not holds_ids(blobs / 2) and not holds_ids(blobs * np.nan)
    assert [holds_ids(x) for x in (noise, dark, burnt, 0 * noise, cells[0])] == [False] * 5


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (np.zeros((2, 8, 8), np.uint8), True),
        (np.zeros((8, 8), np.uint8), True),  # beside two channels
        (np.zeros((2, 8, 8), np.float32), True),
        (np.zeros((2, 8, 9), np.uint8), False),
    ],
)
def test_only_whole_numbers_of_the_shape_of_another_image_are_looked_at(data, expected):
    image, other = Image(np.zeros((2, 8, 8))), Image(data)
    assert may_hold_ids(other, [image, other]) is expected
    assert not may_hold_ids(image, [image])


def test_ids_opened_as_an_image_are_told_where_labels_are_missing():
    image = Image(CELLS, name="labels")
    (told,) = needs_of(image, None, TrainSettings(), ids_as_images=["labels"])
    assert told.text == "'labels' was opened as an image, but looks like labels."
    assert acts([told]) == [(False, ["convert"])]
    (told,) = needs_of(image, None, TrainSettings(), ids_as_images=["a", "b", "c", "d"])
    assert told.text == "'a', 'b', 'c' and 1 more were opened as images, but look like labels."
    other = Image(CELLS, name="em")
    assert needs_of(other, Labels(CELLS), TrainSettings(), ids_as_images=["labels"]) == []
