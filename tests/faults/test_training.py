"""Input that nothing can be learnt from, and learning that breaks: faults 3, 6, 14, 17, 18."""

import io
import json
import multiprocessing
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_utile as utile
from napari_utile.cli.main import main
from napari_utile.engine.training import run as run_module
from napari_utile.engine.training.data.tiles import TileSampler
from napari_utile.engine.training.run import run_training
from napari_utile.events import EpochDone, RunFailed, Warned, parse_event
from napari_utile.folders.run import Run
from napari_utile.io.images import as_stack, open_image, write_tiff
from napari_utile.networks import UNet

torch.set_num_threads(1)

TINY = {
    "depth": 1, "width": 2, "tile": 16, "batch": 1, "steps": 20, "validations_per_run": 10,
    "device": "cpu", "precision": "fp32",
}  # fmt: skip
SETTINGS = utile.TrainSettings(**TINY)


@pytest.fixture
def cells():
    """A float image of bright squares, and their instances."""
    objects = np.zeros((4, 32, 40), np.uint16)
    for x in range(2, 34, 8):
        objects[:, 5:18, x : x + 5] = x
    noise = np.random.default_rng(0).normal(100, 10, objects.shape)
    return (noise + 60 * (objects > 0)).astype(np.float32), objects


def refusals(image, labels, folder, capsys, **options):
    """Train on arrays, and on files in the shell; give both refusals."""
    with pytest.raises(utile.UserError) as refused:
        utile.train(image, labels, utile.TrainSettings(**TINY | options))
    write_tiff(folder / "em.tif", image)
    write_tiff(folder / "ids.tif", labels)
    status, error = shell(folder, capsys, **options)
    assert status == 2
    return str(refused.value), error


def shell(folder, capsys, **options):
    arguments = ["train", folder / "em.tif", folder / "ids.tif", "--out", folder / "run"]
    for name, value in (TINY | options).items():
        arguments += [f"--{name.replace('_', '-')}", value]
    status = main([str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in error
    return status, error


def test_the_cells_can_be_learnt_from(cells, tmp_path, capsys):
    write_tiff(tmp_path / "em.tif", cells[0])
    write_tiff(tmp_path / "ids.tif", cells[1])
    assert shell(tmp_path, capsys)[0] == 0


@pytest.mark.parametrize("z", [0, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_fault_03_a_pixel_that_is_no_number_is_named_by_image_and_slice(
    cells, tmp_path, capsys, z, value
):
    image, objects = cells
    image[z, 4:6, 7] = value
    python, error = refusals(image, objects, tmp_path, capsys)
    assert f"Image 'image', slice {z} is NaN or infinite in 2 pixels" in python
    assert f"utile: Image 'em.tif', slice {z} is NaN or infinite in 2 pixels" in error
    assert error.count("\n") == 1


def test_fault_03_a_constant_slice_is_named(cells, tmp_path, capsys):
    image, objects = cells
    image[2] = 7
    python, error = refusals(image, objects, tmp_path, capsys)
    assert "Image 'image', slice 2 is constant (7.0)" in python
    assert "Image 'em.tif', slice 2 is constant (7.0)" in error


def test_fault_03_the_image_among_several_is_named(cells):
    image, objects = cells
    images, labels = [image[0], image[1].copy(), image[2]], [*objects[:3]]
    images[1][3, 3] = np.inf
    with pytest.raises(utile.UserError, match="is NaN or infinite in 1 pixel:"):
        utile.train(images, labels, SETTINGS)


@pytest.mark.parametrize("split", ["slice", "block"])
def test_fault_03_what_nobody_annotated_may_be_anything(cells, split):
    image, objects = cells
    image[1], objects[1] = np.nan, 9999
    options = utile.TrainSettings(**TINY, ignore=9999, split=split)
    assert utile.train(image, objects, options).scores


def test_fault_03_a_prediction_stays_finite_and_warns(cells, tmp_path, capsys):
    image, objects = cells
    utile.train(image, objects, SETTINGS).save(tmp_path / "model")
    image[1, 3, 3], image[2] = np.nan, 50
    write_tiff(tmp_path / "em.tif", image)
    out = tmp_path / "p.tif"
    arguments = ["predict", tmp_path / "model", tmp_path / "em.tif", "--out", out]
    assert main([*map(str, arguments), "--json"]) == 0
    assert "Slice 1 of em.tif has pixels that are NaN" in capsys.readouterr().err
    assert np.isfinite(open_image(out).read()).all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda ids: 0 * ids, "show no object, only background: 5,120 annotated of 5,120"),
        (lambda ids: 0 * ids + 1, "show no background, only objects: 5,120 annotated"),
        (lambda ids: 0 * ids + 9, "annotate no pixel: 0 annotated of 5,120"),
        (
            lambda ids: np.where(np.arange(4)[:, None, None] == 1, ids, 0),
            "validation part (3 slices to train, 1 to validate) holds 1 of the classes in its "
            "1,280 annotated pixels",
        ),
        (
            lambda ids: np.where(np.arange(4)[:, None, None] < 3, 0, ids),
            "training part (3 slices to train, 1 to validate) holds 1 of the classes in its "
            "3,840 annotated pixels",
        ),
    ],
)
def test_fault_06_labels_that_teach_nothing_are_refused_with_counts(
    cells, tmp_path, capsys, change, reason
):
    image, objects = cells
    python, error = refusals(
        image, change(objects), tmp_path, capsys, ignore=9, empty_slices="background"
    )
    assert reason in python
    assert reason in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        ("image", "to divide by image takes 2 annotated images, and there is 1."),
        (
            "slice",
            "to divide by slice takes 2 annotated slices of one image (annotated slices:",
        ),
    ],
)
def test_fault_06_a_split_that_is_impossible_is_refused_with_counts(
    cells, tmp_path, capsys, split, reason
):
    image, objects = (array[0] for array in cells)
    python, error = refusals(image, objects, tmp_path, capsys, split=split)
    assert reason in python
    assert reason in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("slices", [[0, 1], [1, 2], [2, 3]])
def test_fault_06_two_annotated_slices_are_enough_wherever_they_are(cells, tmp_path, slices):
    image, objects = cells
    objects[[z for z in range(4) if z not in slices]] = 0
    model = utile.train(image, objects, SETTINGS, out=tmp_path / "run")
    assert model.scores
    warnings = [e.message for e in Run(tmp_path / "run").recorded() if isinstance(e, Warned)]
    assert any("2 of 4 slices of 'image' have no object" in message for message in warnings)


def test_fault_06_a_single_small_plane_is_refused(cells, tmp_path, capsys):
    image, objects = (array[0, :4, :3] for array in cells)
    objects = objects.copy()
    objects[0, 0] = 1
    _, error = refusals(image, objects, tmp_path, capsys)
    assert "validation part" in error or "too small to be divided" in error


def test_fault_06_a_single_object_is_enough(cells):
    image, objects = cells
    one = np.where(objects == objects[0, 6, 3], objects, 0)
    assert utile.train(image, one, SETTINGS).scores


@pytest.fixture
def breaking(monkeypatch):
    """Tiles that are no numbers any more from the tenth on."""
    render, count = TileSampler.render, iter(range(1, 1000))

    def broken(self, draws):
        tiles = render(self, draws)
        return tiles._replace(images=tiles.images * torch.nan) if next(count) >= 10 else tiles

    monkeypatch.setattr(TileSampler, "render", broken)


def test_fault_14_a_loss_that_is_no_number_stops_and_the_best_is_kept(
    cells, tmp_path, breaking
):
    with pytest.raises(utile.UserError) as refused:
        utile.train(*cells, SETTINGS, out=tmp_path / "run")
    message = str(refused.value)
    assert "no longer a number at step 10 (learning rate " in message
    assert re.search(r"\), in tiles of 'image' slice [0-3]: lower", message)
    assert "lower the learning rate below 0.003" in message
    assert message.endswith("The best model so far is kept.")
    epochs = [e for e in Run(tmp_path / "run").recorded() if isinstance(e, EpochDone)]
    best = min(epochs, key=lambda event: event.val_loss)
    model = utile.load_model(tmp_path / "run")
    assert model.scores == best.scores
    assert np.isfinite(utile.predict(model, cells[0])).all()


def test_fault_14_the_shell_and_the_window_are_told(
    cells, tmp_path, breaking, capsys, monkeypatch
):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    write_tiff(tmp_path / "em.tif", cells[0])
    write_tiff(tmp_path / "ids.tif", cells[1])
    arguments = ["train", tmp_path / "em.tif", tmp_path / "ids.tif", "--out", tmp_path / "run"]
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]
    assert main([*map(str, arguments), *flags, "--events"]) == 2
    out, error = capsys.readouterr()
    last = parse_event(out.splitlines()[-1])
    assert isinstance(last, RunFailed) and last.user
    assert "at step 10" in last.message
    assert error == f"utile: {last.message}\n"
    utile.load_model(tmp_path / "run")


def test_fault_14_a_learning_rate_that_is_too_high_is_survived(cells, tmp_path):
    options = {"optimizer": "sgd", "norm": "none", "learning_rate": 1e30, "momentum": 0.99}
    with pytest.raises(utile.UserError, match="no longer a number"):
        utile.train(*cells, utile.TrainSettings(**TINY | options), out=tmp_path / "run")


def test_fault_14_every_event_before_the_end_is_strict_json(cells, tmp_path, monkeypatch):
    validate = run_module.validate
    worst = {"loss": float("inf"), "scores": {"iou": float("nan")}}
    monkeypatch.setattr(run_module, "isfinite", lambda loss: True)
    monkeypatch.setattr(
        run_module, "validate", lambda *given: replace(validate(*given), **worst)
    )
    utile.train(*cells, SETTINGS, out=tmp_path / "run")
    for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)
        parse_event(line)


def short_of_memory(monkeypatch, most):
    """Let a pass through the network need an impossible amount of memory, for real."""
    logits = UNet._logits

    def hungry(self, x, padding):
        if x[:, 0].numel() > most:
            torch.empty(2**50)
        return logits(self, x, padding)

    monkeypatch.setattr(UNet, "_logits", hungry)


def warnings_of(run):
    return [event.message for event in run if isinstance(event, Warned)]


def trained_on(cells, out, **options):
    image, objects = cells
    settings = utile.TrainSettings(**TINY | {"steps": 2, "validations_per_run": 2} | options)
    return run_training([as_stack(image)], [as_stack(objects, name="labels")], settings, out)


def test_fault_17_a_batch_that_does_not_fit_is_learnt_in_parts(cells, tmp_path, monkeypatch):
    short_of_memory(monkeypatch, most=2000)
    said = warnings_of(trained_on(cells, tmp_path / "run", tile=32, batch=4))
    parts = [message for message in said if "is run in" in message]
    assert [re.findall(r"\d+ (?:tiles|parts)", message) for message in parts] == [
        ["4 tiles", "2 parts"], ["4 tiles", "4 parts"],
    ]  # fmt: skip
    utile.load_model(tmp_path / "run")


def test_fault_17_a_validation_that_does_not_fit_is_run_in_smaller_tiles(cells, monkeypatch):
    expected = utile.train(*cells, utile.TrainSettings(**TINY | {"steps": 2})).scores
    short_of_memory(monkeypatch, most=1200)
    run = trained_on(cells, None)
    events = list(run)
    said = warnings_of(events)
    assert all(re.match(r"Out of memory on cpu: tiles of \d+ px instead", m) for m in said)
    assert len(said) == len(set(said)) > 0  # two validations say it once
    assert events[-1].scores == pytest.approx(expected)


def test_fault_17_what_never_fits_is_said_with_all_that_counts(
    cells, tmp_path, capsys, monkeypatch
):
    short_of_memory(monkeypatch, most=0)
    write_tiff(tmp_path / "em.tif", cells[0])
    write_tiff(tmp_path / "ids.tif", cells[1])
    status, error = shell(tmp_path, capsys, batch=2)
    assert status == 2
    assert "tile of 4 px (of a batch of 2) fits" in error
    assert "depth 1 and width 2" in error


def test_fault_18_training_starts_no_process_and_what_breaks_in_drawing_is_told(
    cells, monkeypatch
):
    def broken(self, draws):
        assert not multiprocessing.active_children()
        raise OSError("no tiles")

    monkeypatch.setattr(TileSampler, "render", broken)
    with pytest.raises(OSError, match="no tiles"):
        utile.train(*cells, SETTINGS)
