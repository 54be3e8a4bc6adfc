"""Predictions of files are those of their arrays, and nothing is overwritten unasked."""

import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import napari_utile as utile
from napari_utile.arrays.instances.decoding import instances
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.training.front import train_files
from napari_utile.errors import UserError
from napari_utile.events import ImageDone, RunDone, RunStarted, TileDone, Warned
from napari_utile.io.images import open_image, write_tiff
from tests.fixtures.trained import SETTINGS, assert_in_bytes, cells, drained, predicted

torch.set_num_threads(1)


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


@pytest.mark.parametrize("skip_broken", [False, True])
def test_strict_leaves_out_the_doubtful_image_alone(saved, tmp_path, skip_broken):
    image = cells((32, 40))[0]
    for name, factor in (("a", 1), ("b", 250), ("c", 1)):
        tifffile.imwrite(tmp_path / f"{name}.tif", (image * factor).astype(np.float32))
    images, strict = [tmp_path / f"{name}.tif" for name in "abc"], {"strict": True}
    events, results = predicted(
        saved, images, tmp_path / "out", skip_broken=skip_broken, **strict
    )
    assert [path.name for path in results] == ["a.zarr", "c.zarr"]
    ends = [event for event in events if isinstance(event, ImageDone)]
    assert [end.status for end in ends] == ["done", "failed", "done"]
    assert [end.user for end in ends] == [False, True, False]
    assert "leave out strict" in ends[1].message
    assert len(events[-1].failed) == events[-1].user == (not skip_broken)


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


@pytest.mark.parametrize("form", ["auto", "tif"])
def test_a_folder_that_is_there_gets_the_result_of_one_image(saved, tmp_path, form):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    suffix = "tif" if form == "tif" else "zarr"
    for name in ("s.1", "s.2"):
        tifffile.imwrite(tmp_path / f"{name}.tif", cells((32, 40))[0])
        events, results = predicted(
            saved, [tmp_path / f"{name}.tif"], tmp_path / "out", format=form
        )
        assert results == [tmp_path / "out" / f"{name}.{suffix}"]
        assert events[-1].out == str(results[0])


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
    with pytest.raises(UserError, match=f"{name} was made with other settings"):
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
    next(event for event in run if isinstance(event, TileDone))
    run.close()
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


def test_doubts_of_the_files_are_said_or_refused(saved, tmp_path):
    (tmp_path / "in").mkdir()
    picture = Image.fromarray(cells((32, 40))[0], mode="P")
    picture.putpalette([1, 2, 3] * 256)
    picture.save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.czi").touch()
    events, _ = predicted(saved, [tmp_path / "in"], tmp_path / "out")
    said = [event.message for event in events if isinstance(event, Warned)]
    assert said[0].startswith("1 of the 2 images in")
    assert any("taken for brightness" in message for message in said)
    with pytest.raises(UserError, match=r"1 of the 2 images in .*leave out strict"):
        predicted(saved, [tmp_path / "in"], tmp_path / "out", strict=True)
