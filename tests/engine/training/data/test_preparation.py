"""From images and labels to planes: nothing leaks, all is weighed, doubts are named."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage.measure import label

from napari_utile.arrays.augmentation.density import density
from napari_utile.arrays.intensity import Normalization
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.own_gray_values import own_normalization
from napari_utile.arrays.weight_maps.weight_map import weight_map
from napari_utile.engine.training.data.planes import HIDDEN
from napari_utile.engine.training.data.preparation import prepare
from napari_utile.errors import UserError
from napari_utile.settings.training import TrainSettings
from tests.fixtures.annotated import FIELD, cells, prepared, refusal, stack


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


@pytest.mark.parametrize("by", ["image", "percentiles"])
def test_each_image_is_normalized_whole_by_itself(by):
    pairs = [cells((3, 24, 32), seed) for seed in (0, 1)]
    images = [pairs[0][0], pairs[1][0] * 257]
    data = prepared(images, [labels for _, labels in pairs], normalize=by, split="slice")
    assert data.normalization == Normalization.of(
        [images[region.image][None, region.index[0]] for region in data.split.training]
    )
    parts = [*zip(data.split.training, data.training, strict=True)]
    judged = (plane.truth for plane in data.validation)
    for region, plane in (*parts, *zip(data.split.validation, judged, strict=True)):
        image = images[region.image][None]
        expected = own_normalization(image, by).apply(image)[:, region.index[0]]
        np.testing.assert_allclose(plane.image, expected, atol=1e-5)
    assert not data.warnings  # that they are of two kinds
    (told,) = prepared(images, [labels for _, labels in pairs], split="slice").warnings
    assert "are of two kinds" in told and "set normalize to image" in told


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


# what is refused


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("z", [1, 4])
def test_a_pixel_that_is_no_number_is_found_in_its_slice(bad, z):
    image, objects = cells((5, 16, 24))
    image[z, 3, 4] = bad
    message = refusal(image, objects)
    assert f"Image 'image 0', slice {z} is NaN or infinite in 1 pixel" in message


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


# what is said


def test_what_a_file_leaves_open_is_warned_of_or_refused():
    image, objects = cells((4, 32, 32))
    pair = [replace(stack(image), doubts=("em: 4 of 5 pages.",))], [stack(objects)]
    assert "em: 4 of 5 pages." in prepare(*pair, TrainSettings(), FIELD).warnings
    with pytest.raises(UserError, match=r"4 of 5 pages\. .*leave out strict"):
        prepare(*pair, TrainSettings(strict=True), FIELD)


def test_palettes_are_doubted_where_they_matter():
    image, objects = cells((4, 32, 32))
    palettes = [{0: (0, 0, 0), 1: (9, 0, 0)}, {0: (0, 0, 0), 1: (0, 9, 0)}]
    labels = [replace(stack(objects), colors=colors) for colors in palettes]
    for target, said in (("instances", 0), ("classes", 1)):
        found = prepare([stack(image)] * 2, labels, TrainSettings(target=target), FIELD)
        assert sum("palettes of these labels differ" in text for text in found.warnings) == said
    image_of_indices = replace(stack(image), colors=palettes[0])
    found = prepare([image_of_indices], [stack(objects)], TrainSettings(), FIELD)
    assert any("taken for brightness" in text for text in found.warnings)


# more than a slice


@pytest.mark.parametrize("context", [1, 2])
def test_the_slices_around_are_channels_and_the_numbers_stay_those_of_the_image(context):
    image, objects = cells((9, 24, 32))
    data, alone = (prepared(image, objects, context=k) for k in (context, 0))
    taught = [region.index[0] for region in data.split.training]
    assert data.normalization == Normalization.of([image[None, taught]])
    assert (data.channels, len(data.appearance.channels)) == (1, 1)
    padded = np.pad(image, [(context, context), (0, 0), (0, 0)], mode="reflect")
    expected = data.normalization.apply(padded[None])[0]
    planes = [*data.training, *(plane.truth for plane in data.validation)]
    regions = [*data.split.training, *data.split.validation]
    for plane, region in zip(planes, regions, strict=True):
        z = region.index[0]
        np.testing.assert_array_equal(plane.image, expected[z : z + 2 * context + 1])
    weights = {
        r.index: p.weights for r, p in zip(alone.split.training, alone.training, strict=True)
    }
    for plane, region in zip(data.training, data.split.training, strict=True):
        assert torch.equal(plane.weights, weights[region.index])


def test_blocks_see_the_same_block_of_other_slices():
    image, objects = cells((3, 80, 40))
    data = prepared(image, objects, context=1, split="block")
    for plane, region in zip(data.training, data.split.training, strict=True):
        around = ((1, 0, 1), (0, 1, 2), (1, 2, 1))[region.index[0]]
        for z, seen in zip(around, plane.image, strict=True):
            part = image[z][region.window]
            np.testing.assert_array_equal(seen, data.normalization.apply(part[None])[0])


def test_a_slice_around_may_show_nothing_and_its_defects_are_told_once():
    image, objects = cells((12, 24, 32))
    objects[2] = 255  # not annotated
    image[2], image[2, 5, 6] = 7, np.nan
    data = prepared(image, objects, context=1, ignore=255)
    assert [r.index[0] for r in data.split.training] == [0, 1, 3, 4, 5, 6, 7]
    (told,) = [text for text in data.warnings if "mean gray value" in text]
    assert told.startswith("Slice 2 of image 0 has pixels that are NaN")
    assert data.training[1].image[2, 5, 6] == 0 and all(
        plane.image.isfinite().all() for plane in data.training
    )
    objects[2] = 0
    assert "slice 2 is NaN or infinite in 1 pixel:" in refusal(
        image, objects, context=1, split="slice"
    )


@pytest.mark.parametrize("shape", [(40, 80), (1, 40, 80)])
def test_an_image_without_slices_has_none_around(shape):
    message = refusal(*cells(shape), context=1)
    assert message.startswith("3 slices are to be seen at once (context 1), and 'image 0'")
