"""From images and labels to planes: nothing leaks, all is weighed, bad input is named."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.measure import label

from napari_utile.arrays.augmentation.density import density
from napari_utile.arrays.augmentation.draws import Deformation
from napari_utile.arrays.intensity import Normalization
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.weight_maps.weight_map import weight_map
from napari_utile.engine.training.data import preparation
from napari_utile.engine.training.data.planes import HIDDEN
from napari_utile.engine.training.data.preparation import prepare
from napari_utile.engine.training.data.tiles import TileSampler
from napari_utile.errors import UserError
from napari_utile.io.stack import Stack
from napari_utile.settings import TrainSettings

FIELD = 8
"""Width of the guard band in these tests."""


def cells(shape, seed=0):
    """An image and instances that do not touch: squares on a grid, some left out."""
    random = np.random.default_rng(seed)
    objects = np.zeros(shape, int)
    for *index, y, x in np.ndindex(*shape[:-2], shape[-2] // 8, shape[-1] // 8):
        if random.random() < 0.8:
            objects[*index, 8 * y + 1 : 8 * y + 6, 8 * x + 2 : 8 * x + 7] = objects.max() + 1
    image = random.normal(100, 20, shape) + 50 * (objects > 0)
    return image.astype(np.float32), objects


def stack(array, name="em", axes=None):
    return Stack(array, axes or "tzyx"[-array.ndim :], name=name)


def prepared(images, labels, **options):
    """Prepare arrays, or lists of them."""
    if not isinstance(images, list):
        images, labels = [images], [labels]
    return prepare(
        [stack(image, f"image {i}") for i, image in enumerate(images)],
        [stack(ids, f"labels {i}") for i, ids in enumerate(labels)],
        TrainSettings(**options),
        FIELD,
    )


def refusal(*given, **options):
    with pytest.raises(UserError) as refused:
        prepared(*given, **options)
    message = str(refused.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_the_last_slices_are_to_judge_by():
    image, objects = cells((5, 24, 32))
    data = prepared(image, objects)
    assert len(data.training) == 4
    assert len(data.validation) == 1
    assert data.split.validation[0].index == (4,)
    assert (data.channels, data.ids, data.warnings) == (1, (0, 1), ())
    plane = data.training[2]
    assert plane.image.shape == (1, 24, 32)
    assert (plane.image.dtype, plane.classes.dtype, plane.weights.dtype) == (
        torch.float32,
        torch.uint8,
        torch.float32,
    )
    assert np.array_equal(plane.classes, objects[2] > 0)
    assert np.array_equal(data.validation[0].objects > 0, objects[4] > 0)


def test_a_single_image_is_divided_with_a_guard_band():
    image, objects = cells((40, 80))
    data = prepared(image, objects)
    assert data.split.guard == FIELD
    end, start = data.training[0].image.shape[2], 80 - data.validation[0].truth.image.shape[2]
    assert start - end == FIELD
    normal = Normalization.of([image[None, :, :end]])
    assert np.array_equal(data.training[0].image, normal.apply(image[None, :, :end]))
    assert np.array_equal(data.validation[0].truth.image, normal.apply(image[None, :, start:]))


@pytest.mark.parametrize("shape", [(4, 24, 32), (40, 80)])
def test_normalization_and_balance_know_the_training_regions_only(shape):
    image, objects = cells(shape)
    data = prepared(image, objects)
    held = data.split.validation[0]
    other, painted = image.copy(), objects.copy()
    other[held.index][held.window] = 7 * other[held.index][held.window] - 30
    painted[held.index][held.window][:12] = 99
    changed = prepared(other, painted)

    assert changed.normalization == data.normalization
    for before, after in zip(data.training, changed.training, strict=True):
        assert torch.equal(before.image, after.image)
        assert torch.equal(before.classes, after.classes)
        assert torch.equal(before.weights, after.weights)
    judged = changed.validation[0].truth
    assert not torch.equal(judged.image, data.validation[0].truth.image)
    # far from gaps a pixel weighs the w_c of its class, as the training regions count it
    inside = judged.classes == 1
    assert judged.weights[inside].unique().tolist() == pytest.approx(
        data.training[0].weights[data.training[0].classes == 1].unique().tolist()
    )


def test_nothing_but_the_training_regions_changes_the_normalization():
    image, objects = cells((4, 24, 32))
    data = prepared(image, objects)
    assert data.normalization == Normalization.of([image[None, z] for z in range(3)])
    brighter = image.copy()
    brighter[0] += 100
    assert prepared(brighter, objects).normalization != data.normalization


@pytest.mark.parametrize("class_balance", [True, False])
def test_weights_are_the_weight_map_of_the_training_labels(class_balance):
    image, objects = cells((4, 24, 32))
    data = prepared(image, objects, class_balance=class_balance, w0=7, sigma=3)
    expected = weight_map(objects[:3], w0=7, sigma=3, class_balance=class_balance)
    weights = np.stack([plane.weights for plane in data.training])
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    assert expected.max() > 3


def test_weights_of_one_divided_image_are_those_of_its_training_block():
    image, objects = cells((40, 80))
    data = prepared(image, objects, w0=10, class_balance=True)
    end = data.training[0].image.shape[2]
    np.testing.assert_allclose(
        data.training[0].weights, weight_map(objects[:, :end]), rtol=1e-5
    )


def test_touching_objects_are_parted_and_the_gap_is_stressed():
    image, _ = cells((3, 16, 16))
    objects = np.zeros((3, 16, 16), int)
    objects[:, 2:14, 2:8], objects[:, 2:14, 8:14] = 1, 2
    data = prepared(image, objects, w0=10, class_balance=False)
    gap = data.training[0].classes[8, 2:14] == 0
    assert gap.sum() == 1
    # eq. 2 with d1 = d2 = 1
    expected = 1 + 10 * np.exp(-(2**2) / (2 * 5**2))
    assert data.training[0].weights[8, 2:14][gap].item() == pytest.approx(expected)


def test_a_mask_is_split_into_its_components():
    image, objects = cells((3, 24, 32))
    for mask in (objects > 0, 255 * (objects > 0), (objects > 0).astype(np.float32)):
        judged = prepared(image, mask).validation[0].objects
        assert np.array_equal(label(judged, connectivity=1) > 0, objects[2] > 0)
        assert len(np.unique(judged)) == len(np.unique(objects[2]))


@pytest.mark.parametrize("ignore", [255, -1, 3])
def test_ignored_pixels_weigh_nothing_and_are_not_judged(ignore):
    image, objects = cells((3, 24, 32))
    objects[objects > 0] += 10
    objects[:, 10:14] = ignore
    data = prepared(image, objects, ignore=ignore)
    for plane in (*data.training, data.validation[0].truth):
        assert (plane.classes[10:14] == IGNORE).all()
        assert (plane.weights[10:14] == 0).all()
        assert (plane.weights[:10] > 0).all()
    assert (data.validation[0].objects[10:14] == HIDDEN).all()
    assert (data.validation[0].objects[:10] >= 0).all()


def test_sparse_labels_count_only_where_someone_painted():
    image, _ = cells((4, 24, 32))
    labels = np.zeros((4, 24, 32), int)
    labels[[0, 2, 3], 4:8] = 1
    labels[[0, 2, 3], 8:12, 5:9] = 2
    data = prepared(image, labels, sparse=True)
    # nobody painted on slice 1
    assert [region.index for region in data.split.training] == [(0,), (2,)]
    plane = data.training[0]
    assert set(plane.classes.unique().tolist()) == {0, 1, IGNORE}
    assert np.array_equal(plane.weights > 0, labels[0] > 0)
    assert data.warnings == ()


def test_classes_have_equal_totals():
    image, _ = cells((3, 20, 20))
    kinds = np.zeros((3, 20, 20), int)
    kinds[:, :6], kinds[:, 6:8] = 5, 9
    data = prepared(image, kinds, target="classes", w0=0, class_balance=True)
    assert data.ids == (0, 5, 9)
    classes = np.stack([plane.classes for plane in data.training])
    weights = np.stack([plane.weights for plane in data.training])
    totals = [weights[classes == k].sum() for k in range(3)]
    assert totals == pytest.approx([800 / 3] * 3)
    assert set(np.unique(data.validation[0].objects)) == {0, 1, 2}


@pytest.mark.parametrize("axes", ["czyx", "zcyx", "zyxc"])
def test_channels_come_first_and_are_normalized_one_by_one(axes):
    image, objects = cells((3, 16, 24))
    data = prepare(
        [stack(np.moveaxis(np.stack([image, 5 * image + 3]), 0, axes.index("c")), axes=axes)],
        [stack(objects)],
        TrainSettings(),
        FIELD,
    )
    assert data.channels == 2
    first, second = data.training[0].image
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
    np.testing.assert_allclose(
        np.stack([plane.image[0] for plane in data.training]),
        (image[:2] - image[:2].mean()) / image[:2].std(),
        atol=1e-4,
    )


@pytest.mark.parametrize("image_axes", ["zyx", "tczyx"])
@pytest.mark.parametrize("label_axes", ["zyx", "czyx", "tczyx"])
def test_axes_of_one_channel_and_one_time_say_nothing(image_axes, label_axes):
    image, objects = cells((3, 16, 24))
    plain = prepared(image, objects)
    image, objects = (
        stack(array[(None,) * (len(axes) - 3)], axes=axes)
        for array, axes in ((image, image_axes), (objects, label_axes))
    )
    data = prepare([image], [objects], TrainSettings(), FIELD)
    for ours, theirs in zip(data.training, plain.training, strict=True):
        torch.testing.assert_close(ours.image, theirs.image)
        torch.testing.assert_close(ours.weights, theirs.weights)
        assert torch.equal(ours.classes, theirs.classes)


def test_a_stack_of_one_plane_is_learnt_with_the_labels_of_a_plane():
    image, objects = cells((40, 80))
    assert len(prepared(image[None, None], objects).training) == 1


def test_images_of_different_sizes_learn_together():
    pairs = [cells(shape, seed) for seed, shape in enumerate([(24, 32), (40, 16), (32, 32)])]
    data = prepared([image for image, _ in pairs], [objects for _, objects in pairs])
    assert data.split.how == "2 images to train, 1 to validate"
    shapes = {tuple(plane.classes.shape) for plane in data.training}
    assert len(shapes) == 2


def test_an_image_may_lack_a_class_that_another_has():
    image, _ = cells((16, 24))
    labels = []
    for kinds in ([0, 4, 7], [0, 7], [0, 4], [0, 4, 7]):
        labels.append(np.zeros((16, 24), int))
        for i, kind in enumerate(kinds):
            labels[-1][4 * i :] = kind
    data = prepared([image] * 4, labels, target="classes")
    assert data.ids == (0, 4, 7)
    for region, plane in zip(data.split.training, data.training, strict=True):
        assert np.array_equal(np.array(data.ids)[plane.classes], labels[region.image])


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


# where tiles are drawn


def test_everything_annotated_is_drawn_alike_without_a_density():
    data = prepared(*cells((4, 24, 32)))
    assert [plane.density for plane in data.training] == [None] * 3


@pytest.mark.parametrize("sampling", ["foreground", "classes", "borders"])
def test_the_density_is_that_of_all_training_planes_together(sampling):
    pairs = [cells(shape, seed) for seed, shape in enumerate([(24, 32), (40, 16), (32, 32)])]
    pairs[1][1][:] = np.where(pairs[1][1] == pairs[1][1].max(), 1, 0)
    data = prepared(*(list(arrays) for arrays in zip(*pairs, strict=True)), sampling=sampling)
    classes, weights, found = (
        np.concatenate([np.ravel(getattr(plane, name)) for plane in data.training])
        for name in ("classes", "weights", "density")
    )
    np.testing.assert_allclose(found, density(classes, weights, sampling), rtol=1e-5)
    assert all(plane.density.shape == plane.classes.shape for plane in data.training)
    assert found.mean() == pytest.approx(1, abs=1e-4)
    assert data.validation[0].truth.density is None


@pytest.mark.parametrize("sampling", ["uniform", "foreground", "classes", "borders"])
def test_every_tile_shows_something_that_was_painted(sampling):
    image, _ = cells((4, 64, 96))
    labels = np.zeros(image.shape, int)
    labels[:, 10:12, 10:30] = 1
    labels[:, 10:12, 30:34] = 2
    data = prepared(image, labels, sparse=True, sampling=sampling)
    for plane in data.training:
        assert np.array_equal(plane.density > 0, plane.classes != IGNORE)
    turned = Deformation(0, 180, share=1)
    sampler = TileSampler(data.training, 16, 0, turned, torch.Generator().manual_seed(0))
    assert (sampler.batch(100).classes != IGNORE).flatten(1).any(1).all()


def test_a_rare_class_is_in_as_many_tiles_as_is_asked_for():
    image, _ = cells((3, 64, 64))
    kinds = np.zeros(image.shape, int)
    kinds[:, 30, 30] = 7
    shown = {}
    for sampling in ("uniform", "classes"):
        data = prepared(image, kinds, target="classes", sampling=sampling)
        still = Deformation(0, 0, flips=False, gray=0, share=0)
        sampler = TileSampler(data.training, 8, 0, still, torch.Generator().manual_seed(0))
        shown[sampling] = (sampler.batch(400).classes == 1).flatten(1).any(1).float().mean()
    assert shown["uniform"] < 0.1
    assert shown["classes"] > 0.4


# what is refused


def test_nothing_at_all_is_refused():
    with pytest.raises(UserError, match="no image"):
        prepare([], [], TrainSettings(), FIELD)


def test_other_shapes_are_named_on_both_sides():
    image, objects = cells((3, 16, 24))
    message = refusal(image, objects[:2])
    for part in ("'image 0'", "(3, 16, 24)", "'labels 0'", "(2, 16, 24)"):
        assert part in message


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("z", [1, 4])
def test_a_pixel_that_is_no_number_is_found_in_its_slice(bad, z):
    image, objects = cells((5, 16, 24))
    image[z, 3, 4] = bad
    message = refusal(image, objects)
    assert f"Image 'image 0', slice {z}: 1 pixel" in message


@pytest.mark.parametrize("z", [0, 4])
def test_a_constant_slice_is_named(z):
    image, objects = cells((5, 16, 24))
    image[z] = 17
    assert f"'image 0', slice {z} is constant (17.0)" in refusal(image, objects)


def test_a_single_constant_image_is_named():
    _, objects = cells((40, 80))
    message = refusal(np.full((40, 80), 5), objects)
    assert "Image 'image 0' is constant (5)" in message
    assert message.endswith("; leave this image out.")


@pytest.mark.parametrize("shape", [(40, 80), (3, 40, 80)])
def test_a_constant_block_is_named_with_a_way_out_that_helps(shape):
    image, objects = cells(shape)
    image[..., 60:] = 17
    message = refusal(image, objects, split="block")
    where = "" if len(shape) == 2 else ", slice 0"
    assert f"'image 0'{where}, block of y 0 to 39 and x 66 to 79, is constant (17" in message
    assert message.endswith("; crop it away, or give its labels the ignore id.")
    objects[..., 60:] = 999
    assert prepared(image, objects, split="block", ignore=999).training
    assert prepared(image[..., :60], objects[..., :60], split="block").training


def test_a_slice_that_nobody_annotated_may_be_anything():
    image, objects = cells((4, 16, 24))
    image[1], objects[1] = np.nan, 200
    assert len(prepared(image, objects, ignore=200).training) == 2


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.zeros((3, 16, 24), int), "show no object, only background: 1,152 annotated"),
        (np.ones((3, 16, 24), int), "show no background, only objects"),
        (np.full((3, 16, 24), 9), "annotate no pixel: 0 annotated of 1,152"),
    ],
)
def test_one_class_only_is_refused_with_counts(labels, reason):
    image, _ = cells((3, 16, 24))
    assert reason in refusal(image, labels, ignore=9)


def test_the_labels_that_are_wrong_are_named_among_several():
    image, objects = cells((16, 24))
    message = refusal([image] * 3, [objects, objects - 9, objects])
    assert "'labels 1'" in message


def test_one_of_several_images_may_show_no_object():
    image, objects = cells((16, 24))
    labels = [objects, objects, objects, objects, np.zeros_like(objects)]
    data = prepared([image] * 5, labels)
    assert len(data.training) + len(data.validation) == 5
    assert any("have no object" in warning for warning in data.warnings)


def test_images_without_an_object_are_one_doubt():
    image, objects = cells((16, 24))
    nothing = np.zeros_like(objects)
    data = prepared([image] * 9, [objects] * 5 + [nothing] * 4)
    (doubt,) = (warning for warning in data.warnings if "no object" in warning)
    assert doubt.startswith("4 of 9 images have no object (image 5, image 6, image 7, ...);")


def test_fault_05_training_on_more_than_the_memory_holds_is_refused(monkeypatch):
    monkeypatch.setattr(preparation, "memory_budget", lambda: 10_000)
    image, objects = cells((4, 16, 24))
    message = refusal(image, objects)
    assert "1,536 pixels" in message
    assert "10 kB may be used" in message


@pytest.mark.parametrize("shown", [0, 2, 4])
def test_both_parts_need_objects_and_background(shown):
    image, objects = cells((5, 16, 24))
    objects[np.arange(5) != shown] = 0
    message = refusal(image, objects)
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


def test_different_channels_are_refused():
    image, objects = cells((16, 24))
    colors = np.stack([image] * 3, axis=-1)
    with pytest.raises(UserError, match=r"channels: 'gray' has 1, 'rgb' has 3\."):
        prepare(
            [stack(image, "gray"), stack(colors, "rgb", "yxc"), stack(image, "other")],
            [stack(objects)] * 3,
            TrainSettings(),
            FIELD,
        )


def test_labels_with_channels_are_refused():
    image, objects = cells((16, 24))
    colors = np.stack([objects] * 3, axis=-1)
    with pytest.raises(UserError, match="Labels 'em' have 3 channels, but"):
        prepare([stack(image)], [stack(colors, axes="yxc")], TrainSettings(), FIELD)


@pytest.mark.parametrize("ids", [-4, 2.5, np.nan])
def test_ids_that_are_none_are_refused(ids):
    image, objects = cells((3, 16, 24))
    objects = objects.astype(float if ids != -4 else int)
    objects[0, 3, 3] = ids
    message = refusal(image, objects)
    assert "labels 'labels 0'" in message
    assert str(ids) in message


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


def test_sparse_slices_with_background_alone_are_no_doubt():
    image, objects = cells((5, 16, 24))
    labels = 1 + (objects > 0)
    labels[2] = 1
    assert prepared(image, labels, sparse=True).warnings == ()


def test_a_guard_band_narrower_than_the_view_is_a_doubt():
    image, objects = cells((24, 24))
    data = prepare([stack(image)], [stack(objects)], TrainSettings(validation=0.4), 100)
    assert data.split.guard == 6
    assert "6 px lie between training and validation, the network sees 100" in data.warnings[0]


def test_slices_without_an_object_are_a_doubt():
    image, objects = cells((5, 16, 24))
    objects[[1, 2]] = 0
    (doubt,) = prepared(image, objects).warnings
    assert doubt.startswith("2 of 5 slices of 'image 0' have no object")


def test_slices_that_are_ignored_are_none():
    image, objects = cells((5, 16, 24))
    objects[[1, 2]] = 200
    assert prepared(image, objects, ignore=200).warnings == ()
