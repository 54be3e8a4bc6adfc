"""How annotated images are divided into training and validation."""

from dataclasses import replace

import numpy as np
import pytest

from napari_utile.arrays.labels import IGNORE
from napari_utile.engine.training.data.preparation import prepare
from napari_utile.errors import UserError
from napari_utile.settings.training import TrainSettings
from tests.fixtures.annotated import FIELD, cells, prepared, refusal, stack

# how it is divided


@pytest.mark.parametrize("split", ["auto", "image", "slice", "block"])
def test_what_is_kept_whole_is_the_choice_of_the_user(split):
    pairs = [cells((4, 24, 64), seed) for seed in range(3)]
    data = prepared(*(list(arrays) for arrays in zip(*pairs, strict=True)), split=split)
    held = {region.plane for region in data.split.validation}
    taught = {region.plane for region in data.split.training}
    match split:
        case "auto":  # a fifth of 3 images is none: slices
            assert held == {(i, (3,)) for i in range(3)}
        case "slice":
            assert held == {(i, (3,)) for i in range(3)}
        case "image":
            assert len({image for image, _ in held}) == 1 and len(held) == 4
        case "block":
            assert held == taught
            assert data.split.guard == FIELD
    assert (held & taught == set()) == (split != "block")


def test_the_user_names_the_images_to_validate_with():
    pairs = [cells((24, 64 + 8 * seed), seed) for seed in range(3)]  # of different size
    arrays = [list(each) for each in zip(*pairs, strict=True)]
    images, labels = ([stack(array, f"{i}.tif") for i, array in enumerate(x)] for x in arrays)
    data = prepare(images, labels, TrainSettings(validation_images=["2.tif", "0"]), FIELD)
    assert {region.image for region in data.split.validation} == {0, 2}
    assert {region.image for region in data.split.training} == {1}
    assert data.split.how == "1 image to train, 2 to validate, as named"
    with pytest.raises(UserError, match=r"There is no image .3.* there are '0', '1', '2'"):
        prepare(images, labels, TrainSettings(validation_images=["3"]), FIELD)
    with pytest.raises(UserError, match="whole images are kept for validation, and split is"):
        TrainSettings(validation_images=["2"], split="slice")


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("image", "to divide by image takes 2 annotated images, and there is 1"),
        ("slice", "by slice takes 2 annotated slices of one image (annotated slices: 1,"),
    ],
)
def test_a_split_that_is_impossible_is_one_sentence_with_counts(split, words):
    assert words in refusal(*cells((40, 80)), split=split)


def test_a_block_is_chosen_where_both_parts_show_objects():
    image, objects = cells((64, 64))
    objects[:, 40:] = 0  # nothing at the far end of x, everything along y
    objects[:12] = objects[52:] = 0
    data = prepared(image, objects)
    for plane in (data.training[0], data.validation[0].truth):
        assert set(plane.classes.unique().tolist()) == {0, 1}
    assert data.warnings == ()


def test_slices_that_show_objects_are_chosen_to_judge_by():
    image, objects = cells((6, 24, 32))
    objects[[0, 4, 5]] = 0
    data = prepared(image, objects)
    assert data.split.validation[0].index == (3,)
    (doubt,) = data.warnings
    assert doubt.startswith("3 of 6 slices of 'image 0' have no object")


@pytest.mark.parametrize("share", [0.2, 0.5])
@pytest.mark.parametrize("sparse", [True, False])
def test_a_corner_that_is_annotated_is_divided(share, sparse):
    image, objects = cells((120, 160))
    corner = (slice(8, 48), slice(16, 96))
    labels = np.full(objects.shape, 0 if sparse else 5000)
    labels[corner] = objects[corner] + sparse * (1 + (objects[corner] > 0))
    data = prepared(image, labels, sparse=sparse, ignore=5000, validation=share)
    counts = []
    for plane in (data.training[0], data.validation[0].truth):
        annotated = plane.classes != IGNORE
        assert {0, 1} <= set(plane.classes.unique().tolist())
        counts.append(annotated.sum().item())
    assert counts[1] / sum(counts) == pytest.approx(share, abs=0.03)


# what is refused


@pytest.mark.parametrize("shown", [0, 2, 4])
def test_both_parts_need_objects_and_background(shown):
    image, objects = cells((5, 16, 24))
    objects[np.arange(5) != shown] = 0
    message = refusal(image, objects, empty_slices="background")
    # no choice of slices is better than the first, the last slice to validate
    name, pixels = ("validation", "384") if shown < 4 else ("training", "1,536")
    assert f"The {name} part (4 slices to train, 1 to validate) holds 1 of the" in message
    assert f"in its {pixels} annotated pixels" in message
    assert message.endswith("Give them the ignore id if they are not annotated.")


def test_a_plane_that_cannot_be_divided_is_refused():
    message = refusal(*cells((40, 80)), validation=0.9)
    assert message == (
        "The labels cannot be divided into training and validation: less than half of a plane "
        "can be kept for validation; lower validation, which is 0.9."
    )


# what is said


def test_a_class_that_only_one_part_shows_is_named():
    image, _ = cells((5, 16, 24))
    kinds = np.zeros(image.shape, int)
    kinds[:, :8] = 3
    kinds[1, 12:] = 8
    assert prepared(image, kinds, target="classes").warnings == (
        "No pixel for validation has the id 8: no score tells how well it is learnt. Annotate "
        "it in more places.",
    )
    parts = prepared(image, kinds, target="classes").split
    other = replace(parts, training=parts.training[2:], validation=parts.training[:2])
    settings = TrainSettings(target="classes")
    (doubt,) = prepare([stack(image)], [stack(kinds)], settings, FIELD, other).warnings
    assert doubt.startswith("No pixel for training has the id 8: it cannot be learnt.")


def test_many_missing_classes_are_one_sentence():
    image, _ = cells((5, 16, 24))
    kinds = np.zeros(image.shape, int)
    kinds[:, :8] = 1
    kinds[0, 10, :20] = np.arange(100, 120)
    (doubt,) = prepared(image, kinds, target="classes", split="slice").warnings
    assert doubt == (
        "No pixel for validation has the ids 100, 101, 102, 103, 104, 105, 106, 107, 108, 109 "
        "and 10 more: no score tells how well they are learnt. Annotate them in more places."
    )


def test_objects_painted_in_one_slice_alone_are_divided_by_blocks():
    image, objects = cells((3, 24, 160))
    labels = np.zeros(objects.shape, int)
    labels[0] = 1 + (objects[0] > 0)  # objects and background
    labels[1, ::5] = objects[1, ::5] == 0  # some background
    data = prepared(image, labels, sparse=True, target="classes")
    assert "along x, the same in every slice" in data.split.how
    for plane in (*data.training[:1], data.validation[0].truth):
        assert {0, 1} <= {*plane.classes.unique().tolist()}
    assert "validation part" in refusal(
        image, labels, sparse=True, target="classes", split="slice"
    )


def test_a_guard_band_narrower_than_the_view_is_a_doubt():
    image, objects = cells((24, 24))
    data = prepare([stack(image)], [stack(objects)], TrainSettings(validation=0.4), 100)
    assert data.split.guard == 6
    assert "6 px lie between training and validation, the network sees 100" in data.warnings[0]


@pytest.mark.parametrize(("slices", "said"), [(12, False), (4, True)])
def test_slices_that_both_parts_see_are_a_doubt(slices, said):
    data = prepared(*cells((slices, 24, 32)), context=1)
    doubts = [text for text in data.warnings if "The stack is thin" in text]
    assert bool(doubts) == said
    assert not said or "1 slice lies between training and validation, and the" in doubts[0]
