"""What version 0.1 left on disk can still be opened, and is finished by its own commands.

The folder `old` beside this module was written by version 0.1.0: finished and stopped runs,
models, finished and partial results, comparisons, a COCO experiment, and jobs of the window.
Nothing in it may be made anew by a later version, or these tests prove nothing.

`commands.txt` has the command line of each, with the names that options had then. It is run
in a copy of the folder whose files are as young as those of a fresh clone.

`expected.npz` and `expected.json` hold what version 0.1.0 computes without being stopped. The
model in `model` is so sure of every pixel that rounding to bytes is the same everywhere.
"""

import io
import json
import os
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

import napari_utile as utile
from napari_utile.__main__ import main

OLD = Path(__file__).parent / "old"
MADE_IN = "/home/lab/old"
"""Where the folder was when it was written. Jobs keep absolute paths."""
COMMANDS = dict(
    line.split(": ", 1) for line in (OLD / "commands.txt").read_text("utf-8").splitlines()
)
EXPECTED = dict(np.load(OLD / "expected.npz"))
BLOCKS = 6
"""Of each partial result, from the first to the last."""
LONG_AGO = 1_000_000_000
"""A time of change, in seconds, that no file has which is written by a test."""


@pytest.fixture
def old(tmp_path, monkeypatch):
    """Return a copy of the old folder, and work in it."""
    folder = tmp_path / "old"
    shutil.copytree(OLD, folder, copy_function=shutil.copyfile)  # no times of change, as git
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    return folder


def run(name, *more, without=()):
    """Run an old command line, perhaps with more flags; return the exit status."""
    line = COMMANDS[name]
    for part in without:
        assert part in line
        line = line.replace(part, "")
    return main([*shlex.split(line), *more])


def probabilities(model):
    """Predict the corner of the first slice that `expected.npz` holds."""
    model = utile.load_model(model)
    plane = np.stack([tifffile.imread("image.tif")[0]] * model.in_channels).squeeze()
    how = utile.PredictSettings(device="cpu", precision="fp32")
    return utile.predict(model, plane, settings=how)[1, :16, :16]


def arrays(path):
    """Read a result: its only array, or the image and the labels in an OME-Zarr."""
    if path.suffix == ".tif":
        return {"": tifffile.imread(path)}
    group = zarr.open_group(path, mode="r")
    found = {"": group["0"][:]}
    if "labels" in group:
        found["/labels"] = group["labels/instances/0"][:]
    return found


def content(path):
    """Read a file, or all files in a folder."""
    files = [file for file in (path, *path.rglob("*")) if file.is_file()]
    return {file.relative_to(path): file.read_bytes() for file in files}


def age(*paths):
    """Give files a time of change by which it is seen whether they are written again."""
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO))


def are_untouched(*paths):
    """Return whether no file was written since `age`."""
    return all(path.stat().st_mtime == LONG_AGO for path in paths)


# training


def test_a_stopped_run_of_version_0_1_resumes(old):
    before = probabilities("run_stopped")
    assert run("run_stopped", without=("--warm-start run_finished",)) == 2  # another start
    assert run("run_stopped") == 0
    after = probabilities("run_stopped")
    np.testing.assert_allclose(after, EXPECTED["run_stopped"], atol=1e-4)
    assert np.abs(before - after).max() > 1e-2, "it was stopped before its best model"


@pytest.mark.parametrize(
    "model",
    [
        "run_finished",
        "model",
        "coco_trained/unet-seed0",
        "comparison/sliding-window-seed0",
        "comparison/unet-seed0",
        "comparison_half/encoder-decoder-seed0",
    ],
)
def test_a_model_of_version_0_1_predicts_the_same_numbers(old, model):
    np.testing.assert_allclose(probabilities(model), EXPECTED[model], atol=1e-5)


def test_a_model_of_version_0_1_can_be_saved_again(old):
    utile.load_model("model").save("again")
    np.testing.assert_allclose(probabilities("again"), EXPECTED["model"], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "written"),
    [("settings", "from_file/model"), ("augment", "look"), ("weights", "weights.tif")],
)
def test_settings_and_flags_of_version_0_1_are_understood(old, name, written):
    assert run(name) == 0
    assert (old / written).exists()


# results


@pytest.mark.parametrize(
    "name", ["result_partial.zarr", "result_killed.zarr", "result_partial.tif"]
)
def test_a_partial_result_of_version_0_1_resumes_to_the_same_pixels(old, capsys, name):
    assert run(name, "--events") == 0
    assert 0 < capsys.readouterr().out.count('"TileDone"') < BLOCKS, "it was begun anew"
    for part, array in arrays(old / name).items():
        np.testing.assert_array_equal(array, EXPECTED[name + part])


@pytest.mark.parametrize("name", ["result_finished.zarr", "result_finished.tif"])
def test_a_finished_result_of_version_0_1_is_kept(old, name):
    keep_the_time_of_a_tiff(old)
    before = content(old / name)
    assert run(name, "--part", "1/1") == 0  # a part is not refused where all is done
    assert content(old / name) == before


def keep_the_time_of_a_tiff(old):
    """Give a finished TIFF its own time of change again, by which it is known."""
    facts = json.loads((old / ".result_finished.tif.utile" / "finished.json").read_text())
    os.utime(old / "result_finished.tif", ns=(facts["file"]["mtime_ns"],) * 2)


def test_every_flag_of_prediction_of_version_0_1_is_understood(old):
    assert run("dry_run") == 0


def test_a_result_of_version_0_1_has_the_same_scores(old, capsys):
    assert run("result_partial.zarr") == 0
    for name, expected in json.loads((old / "expected.json").read_text()).items():
        capsys.readouterr()
        assert run(name) == 0
        report = json.loads(capsys.readouterr().out)
        found = {score: report[score] for score in expected}
        assert found == pytest.approx(expected, abs=1e-6)


# comparisons


def test_a_partial_comparison_of_version_0_1_resumes(old):
    done = old / "comparison_half" / "sliding-window-seed0" / "model" / "weights.pt"
    age(done)
    assert run("comparison_half") == 0
    assert are_untouched(done)
    rows = json.loads((old / "comparison_half" / "table.json").read_text())["rows"]
    assert [row["network"] for row in rows] == ["sliding-window", "encoder-decoder"]
    assert [row["steps"] for row in rows] == [6, 6]
    assert (old / "comparison_half" / "curves.png").exists()


def test_a_finished_comparison_of_version_0_1_is_only_shown(old, capsys):
    folder = old / "comparison"
    before = json.loads((folder / "table.json").read_text())["rows"]
    weights = list(folder.glob("*/model/weights.pt"))
    age(*weights)
    assert run("comparison", "--json") == 0
    assert are_untouched(*weights)
    after = json.loads(capsys.readouterr().out)["rows"]
    assert all(a.items() >= b.items() for a, b in zip(after, before, strict=True))


def test_a_coco_experiment_of_version_0_1_is_shown_and_scored_again(old, capsys):
    folder = old / "coco_trained"
    before = json.loads((folder / "table.json").read_text())["rows"]
    (weights,) = folder.glob("*/model/weights.pt")
    age(weights)
    assert run("coco_trained", "--json") == 0
    assert are_untouched(weights)
    after = json.loads(capsys.readouterr().out)["rows"]
    assert all(a.items() >= b.items() for a, b in zip(after, before, strict=True))
    assert run("coco_evaluate", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["network"] == "unet"
    assert "coco_ap" in row


# jobs of the window


@pytest.fixture
def jobs(old):
    """Return the folder in which the window finds its jobs, with the paths of the copy."""
    place = old / "jobs" / "segmentations"
    here = json.dumps(old.as_posix())[1:-1]
    for path in (*place.glob("*/job.json"), *place.glob("*/events.jsonl")):
        text = path.read_text("utf-8")
        assert MADE_IN in text
        path.write_text(text.replace(MADE_IN, here), "utf-8")
    return place


def listed(place):
    """List the folders of jobs as the window does, the newest first."""
    from napari_utile.folders.job import job_folders

    return job_folders(place, most=50)


def state_of(folder):
    """Return the state in which the window lists a job."""
    pytest.importorskip("qtpy")
    from napari_utile.widgets.runs.entry import JobEntry

    entry = JobEntry(folder, folder.record)
    entry.update()
    return entry.state


def test_jobs_of_version_0_1_are_listed(jobs):
    stopped, done = listed(jobs)
    for folder in (stopped, done):
        assert not folder.is_running
        assert folder.record.title == "em → instances"
        assert folder.record.out == folder.path / "instances.zarr"
        (shown,) = folder.record.results
        assert shown.out == folder.record.out
        assert shown.place["scale"] == [50, 4, 4]
    assert stopped.record.created > done.record.created
    np.testing.assert_array_equal(arrays(done.record.out)["/labels"], EXPECTED["jobs"])


def test_jobs_of_version_0_1_are_listed_with_their_state(jobs):
    assert [state_of(folder) for folder in listed(jobs)] == ["stopped", "done"]


def test_a_stopped_job_of_version_0_1_resumes(jobs, capsys):
    stopped, _ = listed(jobs)
    arguments = [*stopped.record.arguments, "--job", str(stopped.path), "--events"]
    assert main(arguments) == 0
    assert 0 < capsys.readouterr().out.count('"TileDone"') < BLOCKS, "it was begun anew"
    np.testing.assert_array_equal(arrays(stopped.record.out)["/labels"], EXPECTED["jobs"])
