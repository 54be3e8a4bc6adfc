"""Labels that are no labels are found out; ordinary ones raise no doubt."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from napari_utile.arrays.doubts.labels import LabelPlane, label_doubts, looked_at
from napari_utile.samples.synthesis import synthetic_stack

RANDOM = np.random.default_rng(0)


def discs(side=128, step=20, radius=7):
    """Discs of ids 1, 2, ... on a grid, which do not touch."""
    y, x = np.mgrid[:side, :side]
    number = 1 + (y // step) * (side // step) + x // step
    centered = (y % step - step // 2) ** 2 + (x % step - step // 2) ** 2 <= radius**2
    whole = (y < side // step * step) & (x < side // step * step)
    return np.where(centered & whole, number, 0)


OBJECTS = discs()
MASK = np.uint8(255) * (OBJECTS > 0).astype(np.uint8)
CLASSES = np.where(OBJECTS > 0, 1 + OBJECTS % 3, 0)
OUTLINE = ndimage.grey_dilation(OBJECTS, (3, 3)) != ndimage.grey_erosion(OBJECTS, (3, 3))
VOC = np.where(OUTLINE, 255, CLASSES)
NOISE = (RANDOM.normal(60, 10, OBJECTS.shape) + 100 * (OBJECTS > 0)).round().astype(int)


def jpeg(array, quality):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file))


def resized(array, factor, order=1):
    return ndimage.zoom(array.astype(float), factor, order=order).round().clip(0).astype(int)


def kinds_of(labels, **options):
    return [doubt.kind for doubt in label_doubts(looked_at(np.asarray(labels)), "l", **options)]


@pytest.mark.parametrize("quality", [100, 95, 75])
def test_a_mask_that_was_a_jpeg_is_found_out(quality):
    given = jpeg(MASK, quality)
    (doubt,) = label_doubts(looked_at(given), "a.jpg")
    assert doubt.kind == "gray edges"
    others = np.unique(given)[1:]
    assert f"beside 0 and 255 there are {len(others) - 1} other values" in doubt.text
    assert f"on {((given > 0) & (given < 255)).sum():,} px" in doubt.text
    assert doubt.text.endswith("as PNG or TIFF, without smoothing.")


@pytest.mark.parametrize(
    "labels",
    [
        ndimage.gaussian_filter(MASK.astype(float), 1).round().astype(np.uint8),
        np.asarray(Image.fromarray(MASK).resize((70, 70), Image.Resampling.BILINEAR)),
    ],
    ids=["soft brush", "resized"],
)
def test_a_mask_with_soft_edges_is_found_out_in_every_target(labels):
    assert kinds_of(labels) == ["gray edges"]
    assert kinds_of(labels, target="classes") == ["gray edges"]
    assert kinds_of(labels, is_predicted=True) == ["gray edges"]


@pytest.mark.parametrize(
    "labels",
    [
        resized(OBJECTS[::2, ::2], 2),
        resized(OBJECTS[::2, ::2], 2, order=3),
        resized(OBJECTS, 0.8),
        ndimage.rotate(OBJECTS.astype(float), 13, order=1).round().astype(int),
        jpeg(OBJECTS.astype(np.uint8), 90),
    ],
    ids=["enlarged", "cubic", "reduced", "rotated", "jpeg"],
)
def test_ids_that_were_interpolated_are_found_out(labels):
    (doubt,) = label_doubts(looked_at(labels), "ids.tif")
    assert doubt.kind == "rims"
    assert "without interpolation" in doubt.text
    nearest = OBJECTS[::2, ::2].repeat(2, 0).repeat(2, 1)
    assert kinds_of(nearest) == []


@pytest.mark.parametrize(
    "labels",
    [
        NOISE,
        ndimage.gaussian_filter(MASK.astype(float), 4).round().astype(int),
        np.add.outer(np.arange(128), np.zeros(128, int)),
        np.add.outer(np.arange(128) // 4, np.zeros(128, int)),
        RANDOM.integers(0, 3, (64, 64)),
    ],
    ids=["image", "probabilities", "slope", "steps", "noise"],
)
def test_gray_values_are_found_out(labels):
    assert kinds_of(labels) in (["gray values"], ["rims"])


def test_the_slice_and_the_counts_are_told():
    stack = np.stack([OBJECTS, OBJECTS, NOISE])
    (doubt,) = label_doubts(looked_at(stack), "em.tif")
    assert "'em.tif' look like an image, not like ids in slice 2: " in doubt.text
    assert f"{len(np.unique(NOISE))} ids in " in doubt.text


@pytest.mark.parametrize(
    ("labels", "way_on"),
    [
        (255 - MASK, "invert the mask"),
        (OBJECTS + 1, "set sparse, where 1 is background"),
        (np.ones((30, 30), int), "invert the mask"),
    ],
)
def test_background_that_is_an_object_is_found_out(labels, way_on):
    (doubt,) = label_doubts(looked_at(labels), "m")
    assert doubt.kind == "background"
    assert doubt.text.endswith(f"{way_on}.")
    share = (labels == labels[0, 0]).mean()
    assert f"on {share:.1%} of the pixels" in doubt.text


def test_sparse_labels_have_background_as_an_object():
    assert kinds_of(OBJECTS + 1, sparse=True) == []


def test_ids_that_mean_the_other_target_are_found_out():
    assert kinds_of(CLASSES) == ["classes"]
    for has_target in (True, False):
        (doubt,) = label_doubts(looked_at(CLASSES), "l", has_target=has_target)
        assert ("choose the target classes, or give" in doubt.text) == has_target
    assert kinds_of(CLASSES, target="classes") == []
    for labels in (OBJECTS, np.where(OBJECTS < 24, OBJECTS, 0)):  # 36 ids, and 23
        assert kinds_of(labels, target="classes") == ["instances"]
    assert kinds_of(CLASSES + 1, target="classes") == ["no background"]


def test_classes_in_a_few_places_of_each_slice_are_counted_over_the_slices():
    six = np.where(OBJECTS <= 6, 1 + OBJECTS % 2, 0) * (OBJECTS > 0)
    assert kinds_of(six) == []
    (doubt,) = label_doubts(looked_at(np.stack([six] * 4)), "l")
    assert "have 2 ids in 24 separate regions" in doubt.text
    assert kinds_of(np.stack([OBJECTS] * 4)) == []


def test_an_ignore_id_that_is_not_set_is_found_out():
    (doubt,) = label_doubts(looked_at(VOC), "voc.png", "classes")
    assert doubt.text.endswith("set ignore to 255.")
    assert f"({OUTLINE.mean():.1%} of the pixels)" in doubt.text
    assert label_doubts(looked_at(VOC, 255), "voc.png", "classes", ignore=255) == []


def test_an_ignore_id_that_is_not_the_one_that_was_set_is_found_out():
    assert kinds_of(VOC, target="classes", ignore=254) == ["ignore"]


def test_objects_that_sparse_takes_for_background_are_found_out():
    (doubt,) = label_doubts(looked_at(OBJECTS), "ids.tif", sparse=True)
    assert doubt.kind == "sparse"
    assert f"id 1 on {(OBJECTS == 1).sum()} px only" in doubt.text
    assert f"{OBJECTS.max() - 1} other ids" in doubt.text
    assert kinds_of(np.stack([OBJECTS, 36 * (OBJECTS > 0) + OBJECTS]), sparse=True) == [
        "sparse"
    ]


SCRIBBLES = np.where(OBJECTS < 9, OBJECTS + (OBJECTS > 0), 0)  # background as one long stroke
SCRIBBLES[::20, 2:100] = SCRIBBLES[:100, 60] = 1
TABLE = np.where(OBJECTS > 0, 3, 1)  # things on a table that fills the picture, but for a strip
TABLE[:8] = 0
BESIDE = np.kron(OBJECTS[:60, :60], np.ones((2, 2), int))


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (OBJECTS, {}),
        (MASK, {}),
        (MASK, {"target": "classes"}),
        (discs(256, 9, 3), {}),
        (discs(64, 4, 1), {}),
        (np.where(OUTLINE, 1, 2 * (OBJECTS > 0)), {"target": "classes"}),
        (1 + np.arange(64 * 64).reshape(64, 64) // 512, {}),
        (np.zeros((40, 40), int), {}),
        (BESIDE, {}),
        (TABLE, {"target": "instances"}),
        (np.eye(50, dtype=int), {"sparse": True}),
        (SCRIBBLES, {"sparse": True}),
        (np.minimum(SCRIBBLES, 2), {"sparse": True}),
        (np.where(SCRIBBLES > 1, 2 + SCRIBBLES % 2, SCRIBBLES), {"sparse": True}),
        (OBJECTS + 1, {"sparse": True}),
        (RANDOM.integers(0, 5, (64, 64)), {"is_predicted": True}),
    ],
)
def test_ordinary_labels_raise_no_doubt(labels, options):
    assert kinds_of(labels, **options) == []


def test_synthetic_tissue_raises_no_doubt():
    _, labels = synthetic_stack((2, 96, 96))
    assert kinds_of(labels) == []


def test_large_stacks_are_looked_at_here_and_there():
    class Recorder:
        shape, seen = (100, 40, 50), []

        def __getitem__(self, index):
            self.seen.append(index)
            return np.zeros((40, 50), int)

    planes = looked_at(recorder := Recorder(), most=10 * 40 * 50)
    assert len(planes) == 10
    assert recorder.seen[0] == (0,) and recorder.seen[-1] == (99,)
    (plane,) = looked_at(np.zeros((5000, 3000), np.uint8))
    assert plane.ids.shape == (2048, 2048)


def test_the_parts_of_a_rough_mask_are_no_image():
    rough = RANDOM.random((128, 128)) + ndimage.gaussian_filter(OBJECTS > 0, 1.0) > 0.9
    parts, count = ndimage.label(rough, np.ones((3, 3)))
    assert count > 100
    assert kinds_of(parts, is_predicted=True) == []
    assert kinds_of(NOISE, is_predicted=True) == ["gray values"]


def test_predicted_classes_are_found_out():
    predicted = {"is_predicted": True, "kind": "Predicted labels"}
    (doubt,) = label_doubts(looked_at(1 + MASK // 255), "", kind="True labels")
    assert doubt.kind == "background" and "or set sparse" in doubt.text
    assert kinds_of(CLASSES, **predicted) == ["classes"]
    for ordinary in (OBJECTS, OBJECTS > 0, np.ones_like(OBJECTS), 0 * OBJECTS):
        assert kinds_of(ordinary.astype(int), **predicted) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (2, 2), (9, 8)])
def test_steps_and_values_are_those_that_numpy_counts(shape):
    ids = np.random.default_rng(1).integers(0, 5, shape)
    plane = LabelPlane(ids)
    padded = np.pad(ids, 1, "edge")
    sides = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
    above, below, left, right = (np.sign(side - ids) for side in sides)
    steps = np.concatenate([np.diff(ids, axis=axis).ravel() for axis in (0, 1)])
    assert plane.steps.edges == ((above != 0) | (below != 0) | (left != 0) | (right != 0)).sum()
    assert plane.steps.between == ((above * below < 0) | (left * right < 0)).sum()
    assert plane.steps.every == (steps != 0).sum()
    assert plane.steps.by_one == (abs(steps) == 1).sum()
    expected, counts = np.unique(ids[ids > 0], return_counts=True)
    assert plane.values[0].tolist() == expected.tolist()
    assert plane.values[1].tolist() == counts.tolist()
