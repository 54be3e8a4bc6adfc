"""A prediction holds what its file says; else what its numbers say, and that is said."""

import numpy as np
import pytest
import tifffile

from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.files import evaluate_files, open_evaluation
from napari_utile.evaluation.meaning import as_plane, looks_gray, meaning_of
from napari_utile.events import Warned, drain
from napari_utile.io.images import write_tiff
from napari_utile.io.ome_zarr import create_image, create_labels, mark_complete
from napari_utile.io.stack import Stack
from napari_utile.settings.evaluation import EvaluateSettings

AUTO = EvaluateSettings()


@pytest.fixture
def truth():
    """Discs."""
    y, x = np.mgrid[:40, :48]
    ids = np.zeros((40, 48), np.uint16)
    for number, (cy, cx) in enumerate([(10, 10), (10, 30), (28, 20), (28, 40)], 1):
        ids[(y - cy) ** 2 + (x - cx) ** 2 <= 36] = number
    return ids


@pytest.fixture
def foreground(truth):
    """Noisy probabilities in bytes."""
    noise = np.random.default_rng(0).integers(0, 110, truth.shape)
    return np.where(truth > 0, 255 - noise, noise).astype(np.uint8)


def score(prediction, truth, **options):
    """Return IoU and warnings of files."""
    events = []
    opened, _ = open_evaluation(str(prediction), str(truth))
    report = drain(evaluate_files(opened, EvaluateSettings(**options)), events.append)
    return report["iou"], [event.message for event in events if isinstance(event, Warned)]


def result(path, foreground, kind="probabilities"):
    """Write a result of a network with one map, as `utile predict` does."""
    like = Stack(foreground, "yx")
    if path.suffix == ".tif":
        write_tiff(path, foreground, holds=kind)
        return path
    data = create_image(
        path, (1, *foreground.shape), foreground.dtype, (1, 64, 64), like,
        channel_names=["class 1"], attributes={"kind": kind},
    )  # fmt: skip
    data[0] = foreground
    mark_complete(path)
    return path


@pytest.mark.parametrize("name", ["p.zarr", "p.tif"])
def test_one_map_in_bytes_is_what_its_file_says(tmp_path, truth, foreground, name):
    write_tiff(tmp_path / "t.tif", truth)
    found, doubts = score(result(tmp_path / name, foreground), tmp_path / "t.tif", strict=True)
    assert (found, doubts) == (1, [])
    as_float = result(tmp_path / f"f_{name}", np.float32(foreground / 255))
    assert score(as_float, tmp_path / "t.tif", strict=True) == (1, [])


def test_bytes_that_say_nothing_but_lie_like_probabilities_are_doubted(
    tmp_path, truth, foreground
):
    write_tiff(tmp_path / "t.tif", truth)
    tifffile.imwrite(tmp_path / "p.tif", foreground)
    found, (doubt,) = score(tmp_path / "p.tif", tmp_path / "t.tif")
    assert found < 0.5
    assert "were taken for labels, but may be probabilities" in doubt
    with pytest.raises(UserError, match="leave out strict"):
        score(tmp_path / "p.tif", tmp_path / "t.tif", strict=True)
    told = score(tmp_path / "p.tif", tmp_path / "t.tif", prediction_holds="probabilities")
    assert told == (1, [])


def test_the_plane_with_a_channel_of_one_is_the_plane(tmp_path, truth):
    for given in (truth[np.newaxis], truth[..., np.newaxis], truth[np.newaxis, np.newaxis]):
        assert evaluate(given, truth, strict=True)["matching_ap50"] == 1
        assert evaluate(truth, given[0] if given.ndim == 4 else given, strict=True)["iou"] == 1
    np.save(tmp_path / "p.npy", truth[..., np.newaxis])
    np.save(tmp_path / "t.npy", truth[np.newaxis])
    assert score(tmp_path / "p.npy", tmp_path / "t.npy", strict=True) == (1, [])
    assert as_plane(np.zeros((4, 5, 1)), (5, 4)) is None


def test_a_mask_of_floats_is_said_to_be_taken_for_probabilities(truth):
    mask = (truth > 0).astype(np.float32)
    with pytest.warns(UserWarning, match=r"0\.0 and 1\.0 were taken for probabilities"):
        assert evaluate(mask, truth)["iou"] == 1
    for said in ("labels", "probabilities"):
        assert evaluate(mask, truth, prediction_holds=said, strict=True)["f1_50"] == 1


def test_the_user_overrules_the_file_and_is_told(truth, foreground):
    meaning = meaning_of(
        foreground, truth.shape, EvaluateSettings(prediction_holds="labels"), "probabilities"
    )
    assert not meaning.is_probabilities
    assert "its own file says probabilities" in meaning.doubts[0]


@pytest.mark.parametrize(
    ("target", "holds", "way"),
    [("classes", "instances", "target instances"), ("instances", "classes", "target classes")],
)
def test_ids_of_the_other_kind_are_refused(tmp_path, truth, target, holds, way):
    write_tiff(tmp_path / "said.tif", truth, holds=holds)
    write_tiff(tmp_path / "silent.tif", truth)
    for sides in (("said.tif", "silent.tif"), ("silent.tif", "said.tif")):
        with pytest.raises(UserError, match=way):
            score(*(tmp_path / side for side in sides), target=target)


def test_classes_with_one_id_are_a_mask(truth):
    mask = np.where(truth > 2, 0, 7 * (truth > 0))
    assert meaning_of(mask, truth.shape, EvaluateSettings(ignore=3), "classes").doubts == ()


def test_a_truth_of_probabilities_is_refused(tmp_path, truth, foreground):
    write_tiff(tmp_path / "t.tif", truth)
    result(tmp_path / "p.zarr", foreground)
    with pytest.raises(UserError, match=r"p\.zarr' are probabilities, as their file says"):
        score(tmp_path / "t.tif", tmp_path / "p.zarr")


def test_channels_are_the_classes_that_their_file_names(tmp_path, truth):
    classes = np.where(truth == 1, 5, np.where(truth > 1, 9, 0)).astype(np.uint8)
    one_hot = np.stack([classes == id for id in (0, 5, 9)]).astype(np.float32)
    like = Stack(classes, "yx")
    names = [f"class {id}" for id in (0, 5, 9)]
    data = create_image(
        tmp_path / "p.zarr", one_hot.shape, "f4", (3, 64, 64), like, channel_names=names,
        attributes={"kind": "probabilities"},
    )  # fmt: skip
    data[:] = one_hot
    mark_complete(tmp_path / "p.zarr")
    write_tiff(tmp_path / "t.tif", classes)
    opened, _ = open_evaluation(str(tmp_path / "p.zarr"), str(tmp_path / "t.tif"))
    report = drain(evaluate_files(opened, EvaluateSettings(target="classes", strict=True)))
    assert report["iou_9"] == report["mean_iou"] == 1
    with pytest.warns(UserWarning, match="classes 0 to 2.* the truth also has the ids 5, 9"):
        assert evaluate(one_hot, classes, target="classes")["iou_9"] == 0


def test_results_with_labels_say_which_labels_they_are(tmp_path, truth, foreground):
    path = result(tmp_path / "r.zarr", foreground, "instances")
    create_labels(path, "instances", truth.shape, "u2", (64, 64), Stack(truth, "yx"))[:] = truth
    write_tiff(tmp_path / "t.tif", truth)
    assert score(path, tmp_path / "t.tif", strict=True) == (1, [])
    with pytest.raises(UserError, match="holds instances, as its file says"):
        score(path, tmp_path / "t.tif", target="classes")


def test_labels_of_many_objects_do_not_look_gray(truth, foreground):
    dense = np.arange(400).reshape(20, 20).repeat(3, 0).repeat(3, 1)
    assert not looks_gray(dense)
    assert not looks_gray(truth)
    assert looks_gray(foreground)
    assert looks_gray(np.stack([np.zeros_like(foreground), foreground, foreground]))


@pytest.mark.parametrize("dtype", [complex, "S3", "M8[s]"])
def test_what_are_no_numbers_is_refused(truth, dtype):
    with pytest.raises(UserError, match="ids are whole numbers"):
        meaning_of(np.zeros(truth.shape, dtype), truth.shape, AUTO)


def test_probabilities_of_signed_integers_are_refused(truth, foreground):
    with pytest.raises(UserError, match="are int16: save them as float32"):
        meaning_of(foreground.astype(np.int16), truth.shape, AUTO, "probabilities")


def test_files_that_may_be_swapped_or_copies_are_doubted(tmp_path, truth):
    write_tiff(tmp_path / "result.tif", truth, holds="instances")
    tifffile.imwrite(tmp_path / "drawn.tif", truth)
    assert score(tmp_path / "result.tif", tmp_path / "drawn.tif", strict=True) == (1, [])
    _, (doubt,) = score(tmp_path / "drawn.tif", tmp_path / "result.tif")
    assert "are they swapped?" in doubt
    (tmp_path / "copy.tif").write_bytes((tmp_path / "drawn.tif").read_bytes())
    _, (doubt,) = score(tmp_path / "copy.tif", tmp_path / "drawn.tif")
    assert "are copies of one file" in doubt
    _, (doubt,) = score(tmp_path / "drawn.tif", tmp_path / "drawn.tif")
    assert "is given both as prediction and as true labels" in doubt


def test_a_prediction_of_another_pixel_size_is_doubted(tmp_path, truth):
    for name, size in (("a", 1.0), ("b", 2.0)):
        like = Stack(truth, "yx", scale=(size, size), units=("micrometer",) * 2)
        write_tiff(
            tmp_path / f"{name}.tif", np.roll(truth, 1, 0) if name == "a" else truth, like
        )
    _, (doubt,) = score(tmp_path / "a.tif", tmp_path / "b.tif")
    assert "Prediction 'a.tif' has pixels of 1 x 1 µm, true labels 'b.tif' of 2 x 2 µm" in doubt


def test_an_id_to_ignore_that_does_not_occur_is_doubted(truth):
    with pytest.warns(UserWarning, match="No pixel of the truth has the id 255 to ignore"):
        evaluate(truth, truth, ignore=255)
    assert evaluate(truth, truth, ignore=3, strict=True)["iou"] == 1


def test_probabilities_that_are_no_numbers_are_counted(truth):
    given = np.where(truth > 0, 0.7, 0.2)
    given[0, :3] = np.nan
    with pytest.raises(UserError, match="Of the predicted probabilities 3 are NaN or infinite"):
        evaluate(given, truth)


def test_the_probabilities_of_every_slice_add_up():
    first = np.random.default_rng(0).random((5, 6))
    sound = np.stack([1 - first, first])
    truth = np.zeros((2, 5, 6), int)
    assert meaning_of(
        np.stack([sound, sound], 1), truth.shape, EvaluateSettings()
    ).is_probabilities
    with pytest.raises(UserError, match="add up to 1"):
        meaning_of(np.stack([sound, sound / 2], 1), truth.shape, EvaluateSettings())


def test_lines_are_no_images():
    with pytest.raises(UserError, match=r"needs the axes \(Y, X\)"):
        evaluate(np.arange(20), np.arange(20))
