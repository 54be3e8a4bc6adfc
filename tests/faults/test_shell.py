"""Faults as a user of the shell meets them: one sentence, no traceback, nothing lost."""

import io
import os
import pickle
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_utile.cli.main import main
from napari_utile.engine.models.model import PARAMETERS_FILE, load_model
from napari_utile.events import RunFailed, parse_event
from napari_utile.io import memory
from napari_utile.io.disk import locked
from napari_utile.io.images import open_image, write_tiff

torch.set_num_threads(1)

TINY = {
    "depth": 1, "width": 2, "tile": 16, "batch": 1, "steps": 2, "validations_per_run": 1,
    "device": "cpu", "precision": "fp32",
}  # fmt: skip
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]


def cells():
    """A stack of bright squares, and their instances."""
    objects = np.zeros((4, 32, 40), np.uint16)
    for x in range(2, 34, 8):
        objects[:, 5:18, x : x + 5] = x
    noise = np.random.default_rng(0).normal(100, 10, objects.shape)
    return (noise + 60 * (objects > 0)).astype(np.uint8), objects


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """em.tif, ids.tif and a run."""
    folder = tmp_path_factory.mktemp("shell")
    for name, array in zip(("em", "ids"), cells(), strict=True):
        write_tiff(folder / f"{name}.tif", array)
    files = [str(folder / name) for name in ("em.tif", "ids.tif")]
    assert main(["train", *files, "--out", str(folder / "run"), *FLAGS]) == 0
    return folder


@pytest.fixture
def refused(capsys):
    """Run `utile`, which must refuse; give its one sentence."""

    def refused(*arguments):
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        out, error = capsys.readouterr()
        assert out == ""
        *before, line = error.splitlines()
        assert all(words.startswith("predict on cpu") for words in before)
        assert line.startswith("utile: ")
        return line

    return refused


def everything(folder):
    """All files of a folder and their content."""
    return {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


# 1, 2, 4, 5, 7: what is given


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["train", "--out", "run"], "IMAGE, LABELS"),
        (["train", "em.tif", "--out", "run"], "LABELS"),
        (["predict", "--out", "p.zarr"], "MODEL, IMAGE"),
        (["evaluate", "p.tif"], "TRUTH"),
        (["weights", "--out", "w.tif"], "LABELS"),
    ],
)
def test_fault_01_what_is_not_given_is_named(
    refused, tmp_path, monkeypatch, arguments, missing
):
    monkeypatch.chdir(tmp_path)
    assert f"required: {missing}" in refused(*arguments)
    assert everything(tmp_path) == {}


def test_fault_01_what_is_not_there_is_named(refused, trained, tmp_path):
    gone, run = tmp_path / "gone.tif", tmp_path / "run"
    assert f"{gone} was not found" in refused("train", gone, gone, "--out", run)
    assert f"{gone} was not found" in refused("train", trained / "em.tif", gone, "--out", run)
    assert "holds no image" in refused("predict", trained / "run", tmp_path, "--out", run)
    assert everything(tmp_path) == {}


def test_fault_02_shapes_that_differ_are_named_with_both_files(refused, trained, tmp_path):
    write_tiff(tmp_path / "ids.tif", cells()[1][:3])
    line = refused(
        "train", trained / "em.tif", tmp_path / "ids.tif", "--out", tmp_path / "run", *FLAGS
    )
    for part in ("'em.tif'", "(4, 32, 40)", "'ids.tif'", "(3, 32, 40)"):
        assert part in line
    line = refused("evaluate", tmp_path / "ids.tif", trained / "ids.tif")
    assert "(3, 32, 40)" in line and "(4, 32, 40)" in line


def test_fault_02_a_refusal_leaves_a_folder_that_can_be_used(trained, tmp_path, refused):
    write_tiff(tmp_path / "ids.tif", cells()[1][:3])
    run = tmp_path / "run"
    refused("train", trained / "em.tif", tmp_path / "ids.tif", "--out", run, *FLAGS)
    files = [str(trained / name) for name in ("em.tif", "ids.tif")]
    assert main(["train", *files, "--out", str(run), *FLAGS]) == 0


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64, np.uint8])
def test_fault_04_every_type_of_label_trains(trained, tmp_path, dtype):
    np.save(tmp_path / "ids.npy", cells()[1].astype(dtype))
    command = ["train", str(trained / "em.tif"), str(tmp_path / "ids.npy")]
    assert main([*command, "--out", str(tmp_path / "run"), *FLAGS]) == 0


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        (cells()[1].astype(int) - 7, "int64) have the negative id -7"),
        (cells()[1] / 4, "float64) have the value 0.5"),
        (cells()[1] + 0j, "complex128"),
    ],
)
def test_fault_04_what_is_no_label_is_named_by_type_and_id(
    refused, trained, tmp_path, ids, reason
):
    np.save(tmp_path / "ids.npy", ids)
    out = tmp_path / "run"
    line = refused("train", trained / "em.tif", tmp_path / "ids.npy", "--out", out, *FLAGS)
    assert reason in line
    assert "ids.npy" in line


@pytest.mark.parametrize("large", [2**31 + 5, 2**40])
def test_fault_04_large_ids_do_not_wrap(trained, tmp_path, large):
    objects = cells()[1].astype(np.int64)
    np.save(tmp_path / "ids.npy", np.where(objects == 2, large, objects))
    out = tmp_path / "w.tif"
    assert main(["weights", str(tmp_path / "ids.npy"), "--out", str(out)]) == 0
    assert main(["weights", str(trained / "ids.tif"), "--out", str(tmp_path / "v.tif")]) == 0
    np.testing.assert_array_equal(open_image(out).read(), open_image(tmp_path / "v.tif").read())


def test_fault_05_labels_over_the_budget_are_refused_before_they_are_read(
    refused, trained, tmp_path, monkeypatch
):
    monkeypatch.setattr(memory, "memory_budget", lambda: 1000)
    files = trained / "em.tif", trained / "ids.tif"
    line = refused("train", *files, "--out", tmp_path / "run", *FLAGS)
    assert "ids.tif takes 10.2 kB of memory and 1.0 kB may be used" in line


def test_fault_05_a_prediction_needs_no_room_for_the_stack(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "memory_budget", lambda: 1000)
    command = ["predict", str(trained / "run"), str(trained / "em.tif")]
    assert main([*command, "--out", str(tmp_path / "p.zarr"), "--tile", "16"]) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 3, 1), (5, 3)])
def test_fault_07_an_image_smaller_than_the_context_is_segmented(trained, tmp_path, shape):
    np.save(tmp_path / "tiny.npy", cells()[0].ravel()[: np.prod(shape)].reshape(shape))
    out = tmp_path / "p.tif"
    command = ["predict", str(trained / "run"), str(tmp_path / "tiny.npy"), "--out", str(out)]
    assert main(command) == 0
    assert tifffile.imread(out).size == 2 * np.prod(shape)


# 8, 9: files


def test_fault_08_bad_files_of_a_folder_are_named_and_the_others_done(
    trained, tmp_path, capsys
):
    folder = tmp_path / "images"
    folder.mkdir()
    good = (trained / "em.tif").read_bytes()
    (folder / "a.tif").write_bytes(good)
    (folder / "b.tif").write_bytes(good[:3000])
    (folder / "c.tif").write_bytes(b"")
    (folder / "d.png").write_bytes(b"This is text.")
    (folder / "e.tif").write_bytes(good)
    out = tmp_path / "out"
    assert main(["predict", str(trained / "run"), str(folder), "--out", str(out)]) == 2
    _, error = capsys.readouterr()
    assert "Traceback" not in error
    for name, reason in (("b.tif", ""), ("c.tif", "is empty"), ("d.png", "is no image")):
        assert f"{name} is left out" in error
        assert reason in error
    results = [load.shape for load in (open_image(out / f"{n}.zarr") for n in "ae")]
    assert results == [(4, 32, 40)] * 2
    names = ["a.zarr", "e.zarr", "summary.csv", "summary.json"]
    assert sorted(p.name for p in out.glob("[!.]*")) == names
    rows = (out / "summary.csv").read_text().splitlines()
    ends = [row.split(",")[4] for row in rows[1:]]
    assert ends == ["done", "failed", "failed", "failed", "done"]


def png_that_claims(width, height):
    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def test_fault_09_a_header_that_claims_too_much_is_refused(refused, trained, tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_that_claims(12_000, 12_000))
    for command in (
        ["predict", trained / "run", tmp_path / "bomb.png", "--out", tmp_path / "p.zarr"],
        ["train", trained / "em.tif", tmp_path / "bomb.png", "--out", tmp_path / "run"],
        ["weights", tmp_path / "bomb.png", "--out", tmp_path / "w.tif"],
        ["evaluate", tmp_path / "bomb.png", trained / "ids.tif"],
    ):
        assert "bomb.png claims 12000 x 12000 pixels" in refused(*command)
    assert [p.name for p in tmp_path.iterdir()] == ["bomb.png"]


# 10: what does not pair up


def test_fault_10_what_does_not_pair_up_is_named_before_anything(refused, trained, tmp_path):
    for folder, names in (("em", "abcd"), ("ids", "bcde")):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.tif").write_bytes(b"never looked at")
    (tmp_path / "em" / "c.png").touch()
    line = refused(
        "train", tmp_path / "em", tmp_path / "ids", "--out", tmp_path / "run", *FLAGS
    )
    assert "more than one image called c" in line
    assert "no labels for a.tif" in line
    assert "no image for e.tif" in line
    assert not (tmp_path / "run").exists()


def test_fault_10_images_that_would_share_a_result_are_named(refused, trained, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.tif").write_bytes((trained / "em.tif").read_bytes())
    folders = tmp_path / "one", tmp_path / "two"
    line = refused("predict", trained / "run", *folders, "--out", tmp_path / "out")
    assert "More than one image would become" in line and "x.zarr" in line
    assert not (tmp_path / "out").exists()


def test_fault_10_several_images_do_not_fit_into_one_file(refused, trained, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.tif").write_bytes((trained / "em.tif").read_bytes())
    for out in ("out.zarr", "out.tif"):
        line = refused("predict", trained / "run", tmp_path, "--out", tmp_path / out)
        assert f"{out} is one file, and the results of 2 images are a folder" in line


# 12: outputs


def test_fault_12_a_finished_run_is_not_overwritten_unasked(refused, trained):
    before = everything(trained / "run")
    files = trained / "em.tif", trained / "ids.tif"
    line = refused("train", *files, "--out", trained / "run", *FLAGS, "--seed", "3")
    assert "run holds a finished run" in line
    assert "seed: 0 there, 3 here" in line and "Overwrite it" in line
    assert everything(trained / "run") == before


def test_fault_12_with_overwrite_it_stays_until_the_new_one_can_start(
    refused, trained, tmp_path
):
    write_tiff(tmp_path / "ids.tif", 0 * cells()[1])
    before = everything(trained / "run")
    line = refused(
        "train", trained / "em.tif", tmp_path / "ids.tif", "--out", trained / "run",
        "--overwrite", *FLAGS,
    )  # fmt: skip
    assert "no object" in line
    assert everything(trained / "run") == before


@pytest.mark.parametrize("name", ["p.zarr", "p.tif"])
def test_fault_12_a_result_is_not_overwritten_unasked(refused, trained, tmp_path, name):
    command = ["predict", trained / "run", trained / "em.tif", "--out", tmp_path / name]
    assert main([str(argument) for argument in command]) == 0
    before = everything(tmp_path)
    line = refused(*command, "--averaging")
    assert f"{name} was made with other settings (averaging: False there, True here)" in line
    assert main([str(argument) for argument in command]) == 0  # the same result is kept
    assert everything(tmp_path) == before


def test_fault_12_a_folder_of_other_things_is_left_alone(refused, trained, tmp_path):
    folder = tmp_path / "thesis.zarr"
    folder.mkdir()
    (folder / "chapter.txt").write_text("years of work")
    files = trained / "em.tif", trained / "ids.tif"
    for overwrite in ([], ["--overwrite"]):
        line = refused("train", *files, "--out", folder, *FLAGS, *overwrite)
        assert "is not a run folder" in line
        line = refused("predict", trained / "run", files[0], "--out", folder, *overwrite)
        assert "is no output of U-Tile" in line
    assert [p.read_text() for p in folder.glob("[!.]*")] == ["years of work"]


@pytest.mark.parametrize("name", ["run/run", "p.zarr", "p.tif"])
def test_fault_12_another_process_is_named(refused, trained, tmp_path, name):
    ready = "import sys; from napari_utile.folders.run import locked\n"
    ready += "with locked(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", ready, str(tmp_path / name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        other.stdout.readline()
        files = trained / "em.tif", trained / "ids.tif"
        if name == "run/run":
            line = refused("train", *files, "--out", tmp_path / "run", *FLAGS)
        else:
            line = refused("predict", trained / "run", files[0], "--out", tmp_path / name)
        assert f"is in use by process {other.pid} on " in line
    finally:
        other.communicate()
    with locked(tmp_path / name):
        pass


# 23, 29: models


def test_fault_23_another_number_of_channels_is_said(refused, trained, tmp_path):
    colors = np.zeros((30, 40, 3), np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", colors, photometric="rgb")
    out = tmp_path / "p.zarr"
    line = refused("predict", trained / "run", tmp_path / "rgb.tif", "--out", out)
    assert "The model expects 1 channel, rgb.tif has 3." in line
    assert not out.exists()


class Malicious:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


def test_fault_29_a_model_with_code_is_refused_and_nothing_is_run(refused, trained, tmp_path):
    load_model(trained / "run").save(tmp_path / "model")
    canary = tmp_path / "canary"
    (tmp_path / "model" / PARAMETERS_FILE).write_bytes(pickle.dumps(Malicious(canary)))
    out = tmp_path / "p.zarr"
    line = refused("predict", tmp_path / "model", trained / "em.tif", "--out", out)
    assert str(tmp_path / "model" / PARAMETERS_FILE) in line
    assert "weights_only" not in line
    assert not canary.exists()
    assert not out.exists()


def test_fault_29_a_bare_checkpoint_is_no_model(refused, trained, tmp_path):
    canary = tmp_path / "canary"
    torch.save({"x": Malicious(canary)}, tmp_path / "model.pt")
    out = tmp_path / "p.zarr"
    line = refused("predict", tmp_path / "model.pt", trained / "em.tif", "--out", out)
    assert "model.pt is a file, and a model is a folder" in line
    assert not canary.exists()


# 26: evaluation


def test_fault_26_nothing_on_either_side_has_a_value_and_a_note(trained, tmp_path, capsys):
    write_tiff(tmp_path / "none.tif", 0 * cells()[1])
    write_tiff(tmp_path / "nothing.tif", 0 * cells()[1].astype(np.uint8))
    for pair in (("none", "ids"), ("ids", "none"), ("none", "nothing")):
        paths = [str((trained if name == "ids" else tmp_path) / f"{name}.tif") for name in pair]
        assert main(["evaluate", *paths]) == 0
        out, error = capsys.readouterr()
        assert error == ""
        assert "No object in" in out
        assert "nan" not in out.lower()


# 35, 37: runs that break or are stopped


def test_fault_35_any_exception_is_told_and_the_folder_is_free(
    trained, tmp_path, monkeypatch, capsys
):
    from napari_utile.engine.training import run as run_module

    def broken(*_):
        raise RuntimeError("wrapped C/C++ object has been deleted")

    files = [str(trained / name) for name in ("em.tif", "ids.tif")]
    command = ["train", *files, "--out", str(tmp_path / "run"), *FLAGS, "--events"]
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", io.StringIO(""))
        patched.setattr(run_module, "validate", broken)
        assert main(command) == 1
    last = parse_event(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(last, RunFailed)
    assert not last.user
    assert "has been deleted" in last.message
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main([*command, "--overwrite"]) == 0


def test_fault_37_a_cancelled_training_is_a_model_and_a_new_one_works(
    trained, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(sys, "stdin", io.StringIO("stop\n"))
    files = [str(trained / name) for name in ("em.tif", "ids.tif")]
    command = ["train", *files, "--out", str(tmp_path / "run"), *FLAGS]
    assert main([*command, "--steps", "100000", "--events"]) == 130
    assert parse_event(capsys.readouterr().out.splitlines()[-1]).stopped
    load_model(tmp_path / "run")
    assert main([*command, "--overwrite"]) == 0


def test_fault_37_a_cancelled_prediction_is_partial_and_a_new_one_works(
    trained, tmp_path, capsys, monkeypatch
):
    from napari_utile.cli import display

    show, count = display.print_line, iter(range(100))

    def press_ctrl_c(event):
        show(event)
        if next(count) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    monkeypatch.setattr(display, "print_line", press_ctrl_c)
    out = tmp_path / "p.zarr"
    command = ["predict", str(trained / "run"), str(trained / "em.tif"), "--out", str(out)]
    assert main([*command, "--tile", "16", "--events"]) == 130
    assert parse_event(capsys.readouterr().out.splitlines()[-1]).stopped
    partial = open_image(out).read()
    assert partial[:, 0, :16, :16].any(0).all()
    assert not partial[:, 3].any()
    assert '"complete": false' in (out / "zarr.json").read_text()
    assert main([*command, "--tile", "16"]) == 0
    assert '"complete": true' in (out / "zarr.json").read_text()
    assert open_image(out).read()[:, 3].any()
