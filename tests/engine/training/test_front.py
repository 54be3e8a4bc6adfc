"""Whole trainings, as notebook, shell and window start them."""

import numpy as np
import pytest
import tifffile
import torch

import napari_utile as utile
from napari_utile.engine.training.front import train_files
from napari_utile.errors import UserError
from napari_utile.events import EpochDone
from napari_utile.folders.run import Run
from napari_utile.io.pairs import stack_pairs
from tests.fixtures.new_run import new_run
from tests.fixtures.trained import SETTINGS, TINY, cells, drained

torch.set_num_threads(1)

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


def test_a_finished_run_is_overwritten_from_python_too(tmp_path):
    out, more = tmp_path / "run", utile.TrainSettings(**TINY | {"steps": 3})
    utile.train(*cells(), SETTINGS, out=out)
    with pytest.raises(UserError, match="Overwrite"):
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
    with pytest.raises(UserError, match="2 images and labels of 1 do not pair up"):
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
        stacks, truths = stack_pairs(*map(several, cells()))
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
