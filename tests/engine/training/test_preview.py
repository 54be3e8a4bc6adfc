"""The preview shows what training will see: the same tiles, the same split, the same places."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
import torch

from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.splits import TRAINING, VALIDATION
from napari_utile.engine.training.data.tiles import Batch
from napari_utile.engine.training.preview import (
    density_map,
    preview_files,
    sampler_on_cpu,
    samples,
)
from napari_utile.engine.training.setup import set_up_training
from napari_utile.errors import UserError
from napari_utile.events import RunDone, RunStarted, Warned
from napari_utile.io.images import open_image
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings

torch.set_num_threads(1)


def tiny(**options):
    given = {"depth": 1, "width": 2, "tile": 32, "batch": 4, "device": "cpu"}
    return TrainSettings(**given | options)


def cells(shape=(5, 64, 48), seed=0):
    """Bright squares on gray noise, and their instances."""
    random = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint16)
    for i, y in enumerate(range(4, shape[-2] - 10, 14)):
        for j, x in enumerate(range(4, shape[-1] - 10, 14)):
            labels[..., y : y + 8, x : x + 8] = 1 + 10 * i + j
    image = (random.normal(90, 10, shape) + 60 * (labels > 0)).clip(0, 255).astype(np.uint8)
    return image, labels


def prepared(settings, image=None, labels=None, axes="zyx"):
    if image is None:
        image, labels = cells()
    truth = Stack(labels, "zyx"[-labels.ndim :], name="labels")
    return set_up_training([Stack(image, axes)], [truth], settings)


def preview(settings, count=6, **data):
    found = prepared(settings, **data)
    return samples(found.data, sampler_on_cpu(found), count, np.dtype("uint8"))


@pytest.fixture
def folder(tmp_path):
    image, labels = cells()
    tifffile.imwrite(tmp_path / "image.tif", image)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    return tmp_path


def augmented(folder, settings=None, image="image.tif", labels="labels.tif", **options):
    run = preview_files(
        folder / image, folder / labels, folder / "seen", settings or tiny(), **options
    )
    return list(run)


def test_the_samples_are_the_first_tiles_of_training():
    settings = tiny(seed=3)
    setup = prepared(settings)
    training = sampler_on_cpu(setup)
    first, second = (training.batch(settings.batch) for _ in range(2))
    batch = Batch(*map(torch.cat, zip(first, second, strict=True)))
    shown = samples(setup.data, sampler_on_cpu(setup), 2 * settings.batch)
    np.testing.assert_array_equal(shown.labels, batch.classes)
    np.testing.assert_array_equal(shown.weights, batch.weights)
    of = setup.data.normalization
    mean, std = of.mean[0], of.std[0]
    np.testing.assert_allclose(shown.image, batch.images * std + mean, rtol=1e-5)


def test_the_seed_decides():
    first, again, other = (preview(tiny(seed=seed)) for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first.image != other.image).any()


@pytest.mark.parametrize("by", ["model", "percentiles"])
def test_undeformed_samples_have_the_gray_values_of_the_image(by):
    image, labels = cells()
    found = preview(tiny(deformed=0, gray=0, normalize=by), image=image, labels=labels)
    assert found.image.dtype == np.uint8
    assert {*np.unique(found.image)} <= {*np.unique(image)}
    # 60 brighter on objects
    inside, outside = (found.image[found.labels[:, None] == k].mean() for k in (1, 0))
    assert inside - outside == pytest.approx(60, abs=3)


def test_the_grid_is_straight_until_it_is_bent():
    image, labels = cells((5, 65, 49))  # its lines go on beyond its border
    straight = preview(tiny(deformed=0), image=image, labels=labels).grid
    assert {*np.unique(straight)} == {0, 255}
    for tile in straight:
        rows, columns = ((tile == 255).all(axis) for axis in (1, 0))
        # every fourth pixel in both directions: 8 lines in 32 px
        for lines in (rows, columns):
            assert (np.diff(np.flatnonzero(lines)) == 4).all()
            assert lines.sum() == 8
        np.testing.assert_array_equal(tile == 255, rows[:, None] | columns)
    bent = preview(tiny(deformed=1, elastic=6)).grid
    assert not any((tile > 250).all(axis).any() for tile in bent for axis in (0, 1))


def test_of_unpadded_convolutions_the_margin_is_shown_and_weighs_nothing():
    settings = tiny(padding="valid", tile=16)
    setup = prepared(settings)
    sampler = sampler_on_cpu(setup)
    (size, _), (output, _) = sampler.size, sampler.output
    margin = (size - output) // 2
    found = samples(setup.data, sampler, 3)
    assert margin > 0
    assert found.labels.shape == found.weights.shape == (3, size, size)
    middle = np.s_[:, margin:-margin, margin:-margin]
    batch = sampler_on_cpu(setup).batch(3)
    np.testing.assert_array_equal(found.weights[middle], batch.weights)
    np.testing.assert_array_equal(found.labels[middle], batch.classes)
    assert found.weights.sum(dtype=float) == pytest.approx(batch.weights.double().sum().item())


def test_what_nobody_annotated_is_shown_as_such():
    image, labels = cells()
    labels[:, :20] = 99
    found = preview(tiny(ignore=99), image=image, labels=labels)
    assert {*np.unique(found.labels)} == {0, 1, IGNORE}
    assert (found.weights[found.labels == IGNORE] == 0).all()


def test_pixels_for_training_have_the_density_1_on_average():
    image, labels = cells((64, 90))
    settings = tiny(sampling="foreground")
    data = prepared(settings, image, labels, "yx").data
    (density,) = density_map(data, [labels.shape])
    (region,) = data.split.training
    assert region.of(density).mean() == pytest.approx(1)
    assert density.sum() == pytest.approx(region.of(density).sum())
    truth = region.of(labels) > 0
    assert region.of(density)[truth].min() > region.of(density)[~truth].max()


def test_the_unit_of_a_density_does_not_matter():
    data = prepared(tiny(sampling="foreground")).data
    doubled = [replace(plane, density=2 * plane.density) for plane in data.training]
    maps = [
        density_map(found, [(5, 64, 48)])[0]
        for found in (data, replace(data, training=tuple(doubled)))
    ]
    np.testing.assert_allclose(*maps, rtol=1e-6)


def test_without_preference_the_density_is_1_wherever_tiles_are_drawn():
    data = prepared(tiny()).data
    (density,) = density_map(data, [(5, 64, 48)])
    trained = {region.index[0] for region in data.split.training}
    assert {z for z in range(5) if (density[z] == 1).all()} == trained
    assert density.sum() == len(trained) * 64 * 48


def test_everything_is_written(folder):
    events = augmented(folder, count=3)
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunDone)
    assert events[0].job == "preview"
    seen = {path.stem: open_image(path) for path in (folder / "seen").iterdir()}
    shapes = {name: stack.shape for name, stack in seen.items()}
    tiles, whole = (3, 32, 32), (5, 64, 48)
    assert shapes == {
        **dict.fromkeys(["image", "labels", "weights", "grid"], tiles),
        **dict.fromkeys(["split", "density"], whole),
    }
    split, density = seen["split"].read(), seen["density"].read()
    assert {*np.unique(split)} == {TRAINING, VALIDATION} == {1, 2}
    np.testing.assert_array_equal(density > 0, split == TRAINING)


def test_files_that_are_there_are_kept_until_it_is_said_otherwise(folder):
    augmented(folder)
    with pytest.raises(UserError, match=r"image\.tif exists; overwrite"):
        augmented(folder)
    augmented(folder, settings=tiny(seed=1), overwrite=True)


def test_the_images_themselves_are_never_overwritten(folder):
    before = (folder / "image.tif").read_bytes()
    with pytest.raises(UserError, match="one of the images themselves"):
        list(
            preview_files(
                folder / "image.tif", folder / "labels.tif", folder, tiny(), overwrite=True
            )
        )
    assert (folder / "image.tif").read_bytes() == before


def test_what_training_refuses_is_refused_in_the_same_words(folder):
    labels = tifffile.imread(folder / "labels.tif")
    tifffile.imwrite(folder / "labels.tif", labels[:, :-1])
    with pytest.raises(UserError, match="differ in shape"):
        augmented(folder)
    assert not (folder / "seen").exists()


def test_doubts_of_training_are_said(folder):
    labels = tifffile.imread(folder / "labels.tif")
    labels[0] = 0
    tifffile.imwrite(folder / "labels.tif", labels)
    said = [event.message for event in augmented(folder) if isinstance(event, Warned)]
    assert any("1 of 5 slices" in message for message in said)


def test_several_images_have_maps_of_their_own(tmp_path):
    sizes = {"a": (64, 48), "b": (48, 80), "c.x": (70, 70)}
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for name, size in sizes.items():
        image, labels = cells(size)
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", image)
        tifffile.imwrite(tmp_path / "masks" / f"{name}.tif", labels)
    augmented(tmp_path, image="images", labels="masks")
    for kind in ("split", "density"):
        found = {p.name: open_image(p).shape for p in (tmp_path / "seen" / kind).iterdir()}
        assert found == {f"{name}.tif": size for name, size in sizes.items()}


def test_colors_are_written_as_colors(tmp_path):
    image, labels = cells((64, 90))
    colors = np.stack([image, image // 2, 255 - image], -1)
    tifffile.imwrite(tmp_path / "image.tif", colors, photometric="rgb")
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    augmented(tmp_path, count=2)
    with tifffile.TiffFile(tmp_path / "seen" / "image.tif") as tif:
        assert tif.series[0].shape == (2, 32, 32, 3)
        assert tif.pages[0].photometric == tifffile.PHOTOMETRIC.RGB
    again = open_image(tmp_path / "seen" / "image.tif")
    assert (again.channels, again.shape) == (3, (2, 32, 32))


def test_channels_are_written_first(tmp_path):
    image, labels = cells((64, 90))
    tifffile.imwrite(
        tmp_path / "image.tif", np.stack([image, 255 - image]), metadata={"axes": "CYX"}
    )
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    augmented(tmp_path, tiny(gray=0), count=2)
    again = open_image(tmp_path / "seen" / "image.tif")
    assert (again.channels, again.shape, again.axes) == (2, (2, 32, 32), "czyx")
    first, second = again.read()
    assert first.mean() < second.mean()
    np.testing.assert_allclose(first + 1.0 * second, 255, atol=1)


def test_of_several_slices_that_are_seen_the_one_of_the_labels_is_shown():
    flat = {"elastic": 0, "rotation": 0, "deformed": 0, "gray": 0, "flips": False, "seed": 3}
    image, labels = (
        np.stack([np.roll(plane, 5 * z, axis=1) for z, plane in enumerate(array)])
        for array in cells((9, 64, 48))
    )
    seen, alone = (preview(tiny(context=k, **flat), image=image, labels=labels) for k in (1, 0))
    assert seen.image.shape == alone.image.shape == (6, 1, 32, 32)
    for tile, ids in zip(seen.image, seen.labels, strict=True):
        assert tile[0][ids == 1].mean() > tile[0][ids == 0].mean() + 50
