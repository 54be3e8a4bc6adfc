"""Whole jobs, as notebook, shell and window start them."""

import json

import numpy as np
import pytest
import tifffile
import torch

import napari_utile as utile
from napari_utile.arrays.instances.decoding import instances
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.training.front import stacks_of, train_files
from napari_utile.errors import UserError
from napari_utile.events import EpochDone, RunDone, RunStarted, TileDone, Warned
from napari_utile.folders.run import Run
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.stack import Stack
from tests.fixtures.new_run import new_run

torch.set_num_threads(1)

TINY = {
    "depth": 1, "width": 2, "tile": 16, "batch": 1, "steps": 2, "validations_per_run": 1,
    "device": "cpu", "precision": "fp32",
}  # fmt: skip
SETTINGS = utile.TrainSettings(**TINY)


def cells(shape=(4, 32, 40), seed=0):
    """A stack of bright squares, and their instances."""
    random = np.random.default_rng(seed)
    objects = np.zeros(shape, np.uint16)
    for x in range(2, shape[-1] - 5, 8):
        y = random.integers(2, 20)
        objects[..., y : y + 5, x : x + 5] = objects.max() + 1
    image = (random.normal(100, 10, shape) + 60 * (objects > 0)).clip(0, 255)
    return image.astype(np.uint8), objects


@pytest.fixture(scope="module")
def model():
    return utile.train(*cells(), SETTINGS)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """Folder of the model."""
    folder = tmp_path_factory.mktemp("models") / "model"
    model.save(folder)
    return folder


def drained(run):
    """All events, and what the run returns."""
    events = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as end:
            return events, end.value


# from Python


def test_train_save_load_and_predict(model, tmp_path):
    image, _ = cells()
    model.save(tmp_path / "model")
    again = utile.load_model(tmp_path / "model")
    assert isinstance(again.network, torch.nn.Module)
    p = utile.predict(again, image)
    assert (p.shape, p.dtype) == ((2, *image.shape), np.float32)
    np.testing.assert_array_equal(p, utile.predict(model, image))
    np.testing.assert_allclose(p.sum(0), 1, rtol=1e-5)
    np.testing.assert_allclose(utile.predict(model, image, tile=(8, 14)), p, atol=1e-5)
    np.testing.assert_allclose(utile.predict(model, image[1]), p[:, 1], atol=1e-6)
    report = utile.evaluate(utile.instances(p), cells()[1])
    assert 0 <= report["iou"] <= 1


def test_a_network_of_ones_own_needs_no_training():
    network = utile.networks.UNet(1, classes=1, depth=1, width=2)
    p = utile.predict(utile.Model(network), cells()[0])
    assert p.shape == (1, 4, 32, 40)
    assert 0 <= p.min() <= p.max() <= 1


def test_training_keeps_a_run_folder_if_asked(tmp_path):
    model = utile.train(*cells(), SETTINGS, out=tmp_path / "run")
    run = Run(tmp_path / "run")
    assert run.settings.read_text() == SETTINGS.text()
    assert [e.event for e in run.recorded() if e.event != "PreviewReady"] == [
        "RunStarted", "StepDone", "StepDone", "EpochDone", "RunDone",
    ]  # fmt: skip
    assert utile.load_model(tmp_path / "run").scores == model.scores


def test_a_finished_run_is_replaced_from_python_too(tmp_path):
    out, more = tmp_path / "run", utile.TrainSettings(**TINY | {"steps": 3})
    utile.train(*cells(), SETTINGS, out=out)
    with pytest.raises(UserError, match="overwrite"):
        utile.train(*cells(), more, out=out)
    utile.train(*cells(), more, out=out, overwrite=True)
    assert utile.TrainSettings.read(out / "settings.json") == more


def test_labels_may_be_a_mask():
    image, objects = cells()
    assert utile.train(image, objects > 0, SETTINGS).ids == (0, 1)


@pytest.mark.parametrize("where", ["first", "last"])
def test_channels_are_the_axis_that_the_labels_lack(where):
    image, objects = cells((40, 64))
    colors = np.stack([image, image // 2], axis=0 if where == "first" else -1)
    settings = utile.TrainSettings(**TINY | {"validation_share": 0.4})
    model = utile.train(colors, objects, settings)
    assert model.in_channels == 2
    p = utile.predict(model, colors)
    assert p.shape == (2, 40, 64)
    np.testing.assert_allclose(
        p, utile.predict(model, np.stack([image, image // 2])), atol=1e-6
    )


def test_images_of_different_sizes_are_a_list():
    pairs = [cells(shape, seed) for seed, shape in enumerate([(32, 32), (40, 28), (30, 60)])]
    model = utile.train(*map(list, zip(*pairs, strict=True)), SETTINGS)
    assert model.trained_on["split"] == "2 images to train, 1 to validate"
    for image, _ in pairs:
        assert utile.predict(model, image).shape == (2, *image.shape)


def test_images_and_labels_must_pair_up():
    image, objects = cells()
    with pytest.raises(UserError, match="2 images and 1 labels do not pair up"):
        utile.train([image, image], [objects], SETTINGS)


def test_messages_count_the_arrays_of_a_list():
    image, objects = cells((32, 40))
    with pytest.raises(UserError, match=r"Image 'image 2' is constant \(7\)"):
        utile.train([image, np.full_like(image, 7), image], [objects] * 3, SETTINGS)
    with pytest.raises(UserError, match=r"[Ll]abels 'labels 3'"):
        utile.train([image] * 3, [objects, objects, objects - 0.5], SETTINGS)
    with pytest.raises(UserError, match=r"image 2 \(32, 39\) is no image that fits"):
        utile.train([image, image[:, 1:]], [objects] * 2, SETTINGS)


def test_a_single_array_needs_no_number():
    for several in (np.asarray, lambda array: [array]):
        stacks, truths = stacks_of(*map(several, cells()))
        assert (stacks[0].name, truths[0].name) == ("image", "labels")


def test_an_image_that_does_not_fit_its_labels_is_refused_with_both_shapes():
    image, objects = cells()
    with pytest.raises(UserError, match=r"\(4, 32, 40\) .*\(4, 31, 40\)"):
        utile.train(image, objects[:, 1:], SETTINGS)


def test_the_labels_are_left_as_they_are():
    image, objects = cells()
    before = image.copy(), objects.copy()
    utile.train(image, objects, SETTINGS)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(objects, before[1])


# training on files


@pytest.fixture
def files(tmp_path):
    """image.tif and labels.tif with the size of their pixels."""
    image, objects = cells()
    for name, array in (("image", image), ("labels", objects)):
        stack = Stack(array, "zyx", scale=(50.0, 4.0, 4.0), units=("nanometer",) * 3)
        write_tiff(tmp_path / f"{name}.tif", array, like=stack)
    return tmp_path / "image.tif", tmp_path / "labels.tif"


def test_files_and_arrays_give_the_same_model(files, model, tmp_path):
    _, learnt = drained(train_files(*files, tmp_path / "run", SETTINGS))
    for name, value in model.network.state_dict().items():
        assert torch.equal(learnt.network.state_dict()[name], value)


def test_folders_pair_by_name(tmp_path):
    for i in range(3):
        image, objects = cells((32, 32), i)
        for folder, array in (("images", image), ("labels", objects)):
            (tmp_path / folder).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / folder / f"{i}.tif", array)
    out = tmp_path / "run"
    events, _ = drained(train_files(tmp_path / "images", tmp_path / "labels", out, SETTINGS))
    assert events[0].facts["split"] == "2 images to train, 1 to validate"


def test_a_finished_run_is_kept_unless_asked(files, tmp_path):
    out = tmp_path / "run"
    drained(train_files(*files, out, SETTINGS))
    before = (out / "events.jsonl").read_text()
    with pytest.raises(UserError, match=r"run holds a finished run; --overwrite"):
        next(train_files(*files, out, SETTINGS))
    assert (out / "events.jsonl").read_text() == before
    drained(train_files(*files, out, SETTINGS, overwrite=True))
    assert (out / "events.jsonl").read_text() != before


def test_input_that_cannot_be_used_does_not_cost_the_old_run(files, tmp_path):
    out = tmp_path / "run"
    drained(train_files(*files, out, SETTINGS))
    write_tiff(files[1], np.zeros((4, 32, 40), np.uint8))
    with pytest.raises(UserError, match="no object"):
        next(train_files(*files, out, SETTINGS, overwrite=True))
    utile.load_model(out)


def test_a_run_that_was_refused_can_be_started_again(files, tmp_path):
    out, good = tmp_path / "run", open_image(files[1]).read()
    write_tiff(files[1], np.zeros((4, 32, 40), np.uint8))
    with pytest.raises(UserError, match="no object"):
        next(train_files(*files, out, SETTINGS))
    write_tiff(files[1], good)
    drained(train_files(*files, out, SETTINGS))
    utile.load_model(out)


def test_a_stopped_run_is_recorded_up_to_there(files, tmp_path):
    settings = utile.TrainSettings(**TINY | {"steps": 50, "validations_per_run": 25})
    run = train_files(*files, tmp_path / "run", settings)
    seen = []
    for event in run:
        seen.append(event)
        if isinstance(event, EpochDone):
            break
    run.close()
    assert Run(tmp_path / "run").recorded()[: len(seen)] == seen
    assert utile.load_model(tmp_path / "run").scores == seen[-1].scores
    # the folder is free again
    with new_run(tmp_path / "run", settings):
        pass


# predicting files


def predicted(saved, images, out, overwrite=False, **options):
    settings = utile.PredictSettings(**{"device": "cpu", "tile": 16} | options)
    return drained(predict_files(saved, images, out, settings, overwrite))


def assert_in_bytes(found, expected):
    """Compare what is on disk with probabilities; 255 is 1."""
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found / 255, expected, atol=0.5 / 255 + 1e-5)


@pytest.mark.parametrize("suffix", [".zarr", ".tif"])
def test_probabilities_of_a_file_keep_its_place_and_units(
    saved, model, files, tmp_path, suffix
):
    out = tmp_path / f"p{suffix}"
    events, results = predicted(saved, [files[0]], out)
    assert results == [out]
    result = open_image(out)
    assert_in_bytes(result.read(), utile.predict(model, cells()[0]))
    assert (result.spatial_axes, result.scale) == ("zyx", (50, 4, 4))
    assert result.units == ("nanometer",) * 3
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert [tile.done for tile in tiles] == list(range(1, len(tiles) + 1))
    assert isinstance(events[0], RunStarted) and isinstance(events[-1], RunDone)
    assert tiles[-1].total == len(tiles) == 4 * 2 * 3


@pytest.mark.parametrize("suffix", [".zarr", ".tif"])
@pytest.mark.parametrize("output", ["classes", "instances"])
def test_classes_and_instances_of_a_file(saved, model, files, tmp_path, suffix, output):
    out = tmp_path / f"r{suffix}"
    predicted(saved, [files[0]], out, output=output)
    p = utile.predict(model, cells()[0])
    result = open_image(out)
    expected = instances(p) if output == "instances" else p.argmax(0)
    assert (result.read() == expected).mean() > 0.999  # a tie may fall either way
    assert result.scale == (50, 4, 4)


def test_several_images_become_a_folder_of_results(saved, model, tmp_path):
    for i in range(3):
        tifffile.imwrite(tmp_path / f"im_{i}.tif", cells((32, 40), i)[0])
    _, results = predicted(saved, [f"{tmp_path}/im_*.tif"], tmp_path / "out")
    assert [path.name for path in results] == ["im_0.zarr", "im_1.zarr", "im_2.zarr"]
    for i, path in enumerate(results):
        expected = utile.predict(model, cells((32, 40), i)[0])
        assert_in_bytes(open_image(path).read(), expected)


def test_a_bad_image_among_several_is_left_out_and_named(saved, tmp_path):
    for i in range(3):
        tifffile.imwrite(tmp_path / f"im_{i}.tif", cells((32, 40), i)[0])
    (tmp_path / "im_1.tif").write_bytes(b"")
    images = [tmp_path / f"im_{i}.tif" for i in range(3)]
    events, results = predicted(saved, images, tmp_path / "out")
    assert [path.name for path in results] == ["im_0.zarr", "im_2.zarr"]
    (warning,) = [event for event in events if isinstance(event, Warned)]
    assert "im_1.tif is left out" in warning.message
    assert events[-1].failed == (f"{images[1]}: {images[1]} is empty.",)


def test_the_only_image_that_is_bad_is_an_error(saved, tmp_path):
    (tmp_path / "a.tif").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.tif is empty"):
        predicted(saved, [tmp_path / "a.tif"], tmp_path / "p.zarr")
    assert not (tmp_path / "p.zarr").exists()


@pytest.mark.parametrize("name", ["p.png", "p.npy", "p.JPG"])
def test_a_result_in_a_format_for_pictures_is_refused(saved, tmp_path, name):
    tifffile.imwrite(tmp_path / "x.tif", cells((32, 40))[0])
    with pytest.raises(UserError, match=rf"{name}: a result is written as \.zarr or \.tif"):
        predicted(saved, [tmp_path / "x.tif"], tmp_path / name)
    assert not (tmp_path / name).exists()


def test_two_images_never_share_a_result(saved, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "x.tif", cells((32, 40))[0])
    with pytest.raises(UserError, match=r"More than one image would become .*x\.zarr"):
        predicted(saved, [tmp_path / "a", tmp_path / "b"], tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["p.zarr", "p.tif"])
def test_a_result_is_kept_unless_asked(saved, files, tmp_path, name):
    predicted(saved, [files[0]], tmp_path / name)
    before = open_image(tmp_path / name).read()
    with pytest.raises(UserError, match=f"{name} exists; overwrite"):
        predicted(saved, [files[0]], tmp_path / name, output="classes")
    np.testing.assert_array_equal(open_image(tmp_path / name).read(), before)
    predicted(saved, [files[0]], tmp_path / name, output="classes", overwrite=True)
    assert open_image(tmp_path / name).read().ndim == 3


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_the_image_itself_is_never_overwritten(saved, tmp_path, suffix):
    image, path = cells()[0], tmp_path / f"im{suffix}"
    if suffix == ".tif":
        write_tiff(path, image)
    else:
        import zarr

        zarr.create_array(path, data=image)
    with pytest.raises(UserError, match="is the image itself"):
        predicted(saved, [path], path, overwrite=True)
    np.testing.assert_array_equal(open_image(path).read(), image)


def test_a_stopped_prediction_keeps_what_was_reported(saved, model, files, tmp_path):
    out = tmp_path / "p.zarr"
    run = predict_files(saved, [files[0]], out, utile.PredictSettings(device="cpu", tile=16))
    tiles = []
    for event in run:
        if isinstance(event, TileDone):
            tiles.append(event)
            if len(tiles) == 7:
                break
    run.close()
    found, expected = open_image(out).read(), utile.predict(model, cells()[0])
    for tile in tiles:
        where = (slice(None), *tile.index, *(slice(*side) for side in tile.write))
        assert_in_bytes(found[where], expected[where])
    assert not found[:, 3].any()


def test_a_result_that_was_not_finished_says_so(saved, files, tmp_path):
    done, cut = tmp_path / "done.zarr", tmp_path / "cut.zarr"
    predicted(saved, [files[0]], done)
    run = predict_files(saved, [files[0]], cut, utile.PredictSettings(device="cpu", tile=16))
    next(run), next(run), run.close()
    attributes = [
        json.loads((path / "zarr.json").read_text())["attributes"] for path in (done, cut)
    ]
    assert [each["utile"]["complete"] for each in attributes] == [True, False]


def test_a_model_that_expects_other_channels_says_so_before_anything(saved, tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((20, 20, 3), np.uint8), photometric="rgb")
    with pytest.raises(UserError, match=r"expects 1 channel, rgb\.tif has 3"):
        predicted(saved, [tmp_path / "rgb.tif"], tmp_path / "p.zarr")
    assert not (tmp_path / "p.zarr").exists()


def test_the_model_of_a_run_folder_is_found(files, tmp_path):
    drained(train_files(*files, tmp_path / "run", SETTINGS))
    _, results = predicted(tmp_path / "run", [files[0]], tmp_path / "p.zarr")
    assert open_image(results[0]).shape == (4, 32, 40)
