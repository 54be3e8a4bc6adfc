"""What becomes of the run that a folder holds."""

import shutil

import numpy as np
import pytest
import torch

import napari_utile as utile
from napari_utile.engine.training.front import train_files
from napari_utile.errors import UserError
from napari_utile.io.images import open_image, write_tiff
from tests.fixtures.trained import SETTINGS, drained

torch.set_num_threads(1)


def test_a_finished_run_is_kept_unless_asked(files, tmp_path):
    out, doubtful = tmp_path / "run", SETTINGS.model_copy(update={"ignore": 77})
    drained(train_files(*files, out, doubtful))
    before = (out / "events.jsonl").read_text()
    (warned, done), _ = drained(train_files(*files, out, doubtful))
    assert "No pixel of the labels has the id 77" in warned.message and done.kept
    assert (out / "events.jsonl").read_text() == before
    other = doubtful.model_copy(update={"precision": "bf16"})
    *_, done = drained(train_files(*files, out, other))[0]
    assert f"computed with precision {SETTINGS.precision}, not bf16" in done.reason
    kept = utile.load_model(out).network.state_dict()
    shutil.rmtree(out / "model")  # the checkpoints still have it
    *_, done = drained(train_files(*files, out, doubtful))[0]
    assert not done.kept
    again = utile.load_model(out).network.state_dict()
    assert all(torch.equal(kept[name], again[name]) for name in kept)
    drained(train_files(*files, out, doubtful, overwrite=True))
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
