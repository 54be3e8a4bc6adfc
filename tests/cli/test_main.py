"""The command `utile`: its flags, what it prints where, and its exit statuses."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import zarr
from PIL import Image

from napari_utile import __version__
from napari_utile.cli import small
from napari_utile.cli.compare import Compare
from napari_utile.cli.main import main
from napari_utile.cli.predict import Predict
from napari_utile.cli.train import Augment, Train
from napari_utile.engine.prediction.run import Execution
from napari_utile.errors import EngineError, UserError
from napari_utile.events import EpochDone, RunDone, RunFailed, RunStarted, StepDone, parse_event
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.stack import Stack
from napari_utile.settings import CompareSettings, PredictSettings, TrainSettings

TINY = {
    "depth": 1, "width": 2, "tile": 16, "batch": 1, "steps": 2, "validations": 1,
    "device": "cpu", "precision": "fp32",
}  # fmt: skip
FLAGS = [part for name, value in TINY.items() for part in (f"--{name}", str(value))]


@pytest.fixture(autouse=True)
def no_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """image.tif, labels.tif and a trained run."""
    folder = tmp_path_factory.mktemp("cli")
    random = np.random.default_rng(0)
    objects = np.zeros((4, 32, 40), np.uint16)
    for x in range(2, 34, 8):
        objects[:, 5 : 5 + x // 2 + 4, x : x + 5] = x
    image = (random.normal(100, 10, objects.shape) + 60 * (objects > 0)).astype(np.uint8)
    for name, array in (("image", image), ("labels", objects)):
        like = Stack(array, "zyx", scale=(5, 2, 2), units=("nanometer",) * 3)
        write_tiff(folder / f"{name}.tif", array, like=like)
    assert main(train(folder, folder / "run")) == 0
    return folder


def train(folder, out, *flags):
    files = [str(folder / name) for name in ("image.tif", "labels.tif")]
    return ["train", *files, "--out", str(out), *FLAGS, *flags]


def predict(folder, out, *flags):
    return [
        "predict",
        str(folder / "run"),
        str(folder / "image.tif"),
        "--out",
        str(out),
        *flags,
    ]


def complaint(capsys, arguments, status=2):
    """Run the command, expect it to be refused, and give the one line that says why."""
    assert main([str(argument) for argument in arguments]) == status
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("utile: ")
    assert "Traceback" not in line
    assert "pydantic" not in line
    return line.removeprefix("utile: ")


# flags are settings


@pytest.fixture
def parsed(monkeypatch):
    """Parse the command line, run nothing, and give the settings."""
    seen = []
    for command in (Train, Predict, Augment):
        monkeypatch.setattr(command, "run", lambda self: seen.append(self.options()) or 0)

    def parsed(*arguments):
        assert main([str(argument) for argument in arguments]) == 0
        return seen.pop()

    return parsed


OTHER = {
    "recipe": "paper", "target": "classes", "ignore": 9, "sparse": True,
    "network": "encoder-decoder", "depth": 3, "width": 5, "padding": "valid", "norm": "none",
    "dropout": 0.25, "output": "sigmoid", "steps": 11,
    "minutes": 0.5, "validations": 3, "validation": 0.3, "tile": 32, "batch": 2,
    "optimizer": "sgd", "learning_rate": 0.5, "momentum": 0.5, "weight_decay": 0.5,
    "schedule": "constant", "w0": 3.5, "sigma": 2.5, "class_balance": True, "elastic": 1.5,
    "rotation": 90.0, "flips": False, "gray": 0.5, "seed": 7, "device": "cpu",
    "precision": "fp32", "averaging": True, "threshold": 0.25, "min_size": 3, "deformed": 0.25,
    "patience": 3, "split": "block", "sampling": "borders", "objects": "components",
    "fill_holes": 9, "linking": "touch", "link_iou": 0.5, "dtype": "float16", "format": "tif",
    "region": "0:1,0:9,3:7",
}  # fmt: skip
"""For every option a value that is not the default."""


def flag(name, value):
    kebab = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{kebab}"]
    return [f"--{kebab}", str(value)]


@pytest.mark.parametrize("name", TrainSettings.model_fields)
def test_every_option_of_training_is_a_flag(parsed, name):
    assert OTHER[name] != TrainSettings.model_fields[name].default
    settings = parsed("train", "i", "l", "--out", "o", *flag(name, OTHER[name]))
    assert settings == TrainSettings(**{name: OTHER[name]})


@pytest.mark.parametrize("name", PredictSettings.model_fields)
def test_every_option_of_prediction_is_a_flag(parsed, name):
    value = "instances" if name == "output" else OTHER[name]
    settings = parsed("predict", "m", "i", "--out", "o", *flag(name, value))
    assert settings == PredictSettings(**{name: value})


def test_what_training_would_see_has_the_flags_of_training(parsed):
    flags = [*flag("sampling", "borders"), *flag("tile", 64), *flag("elastic", 3.0)]
    settings = parsed("augment", "i", "l", "--out", "o", "--count", "3", *flags)
    assert settings == TrainSettings(sampling="borders", tile=64, elastic=3.0)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], Execution()),
        (["--part", "2/8"], Execution(part=(2, 8))),
        (["--workers", "3", "--overwrite"], Execution(workers=3, overwrite=True)),
        (
            ["--scheduler", "tcp://h:1", "--no-resume"],
            Execution(scheduler="tcp://h:1", resume=False),
        ),
        (["--dry-run"], Execution(dry_run=True)),
    ],
)
def test_where_a_prediction_is_made_is_a_flag(monkeypatch, flags, expected):
    seen = []
    monkeypatch.setattr(
        "napari_utile.engine.prediction.front.predict_files",
        lambda *given, how: seen.append(how) or iter([RunStarted(job="predict")]),
    )
    monkeypatch.setattr("napari_utile.cli.main.report", lambda run, *_: list(run) and 0)
    assert main(["predict", "m", "i", "--out", "o", *flags]) == 0
    assert seen == [expected]


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_a_part_that_is_none_is_refused(capsys, part):
    line = complaint(capsys, ["predict", "m", "i", "--out", "o", f"--part={part}"])
    assert line == f"--part: '{part}' is no part; write it like 2/8, the second of eight."


def test_parts_and_workers_do_not_go_together(capsys):
    command = ["predict", "m", "i", "--out", "o", "--part=1/2", "--workers=2"]
    assert "--part and --scheduler or --workers" in complaint(capsys, command)


def test_a_dry_run_says_what_it_takes_and_does_nothing(folder, tmp_path, capsys):
    names = [str(folder / "run"), str(folder / "image.tif"), "--out", str(tmp_path / "p.zarr")]
    assert main(["predict", *names, "--dry-run", "--json", "--tile", "16"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"blocks", "block", "memory", "disk", "time"} <= facts.keys()
    assert not list(tmp_path.iterdir())
    assert main(["predict", *names, "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert "memory" in out and err == ""
    assert not list(tmp_path.iterdir())


def test_without_flags_the_settings_are_the_defaults(parsed):
    assert parsed("train", "i", "l", "--out", "o") == TrainSettings()
    assert parsed("predict", "m", "i", "--out", "o") == PredictSettings()


def test_a_negative_id_can_be_ignored(parsed):
    assert parsed("train", "i", "l", "--out", "o", "--ignore", "-1").ignore == -1
    assert parsed("train", "i", "l", "--out", "o", "--ignore=-1").ignore == -1


def test_flags_win_over_the_file(parsed, tmp_path):
    file = tmp_path / "settings.json"
    file.write_text(TrainSettings(width=8, seed=5, minutes=3).text())
    settings = parsed("train", "i", "l", "--out", "o", "--settings", file, "--width", 4)
    assert settings == TrainSettings(width=4, seed=5, minutes=3)
    # the default, if it is given, too
    settings = parsed("train", "i", "l", "--out", "o", "--settings", file, "--seed", 0)
    assert settings == TrainSettings(width=8, seed=0, minutes=3)


@pytest.mark.parametrize(
    ("flag", "expected"), [("--minutes", {"minutes": 10}), ("--steps", {"steps": 10})]
)
def test_the_budget_that_is_given_replaces_that_of_the_file(parsed, tmp_path, flag, expected):
    file = tmp_path / "settings.json"
    file.write_text(TrainSettings().text())  # it ends after some steps, and so says the file
    settings = parsed("train", "i", "l", "--out", "o", "--settings", file, flag, 10)
    assert settings == TrainSettings(**expected)


def test_a_file_may_hold_some_options_only(parsed, tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{"recipe": "paper", "minutes": 2}')
    settings = parsed("train", "i", "l", "--out", "o", "--settings", file)
    assert settings == TrainSettings(recipe="paper", minutes=2)


def test_a_flag_wins_over_the_recipe(parsed):
    settings = parsed("train", "i", "l", "--out", "o", "--recipe", "paper", "--width", 4)
    assert settings == TrainSettings(recipe="paper", width=4)


def test_a_file_keeps_its_recipe_when_a_flag_is_added(parsed, tmp_path):
    file, paper = tmp_path / "settings.json", TrainSettings(recipe="paper", momentum=0.5)
    file.write_text(paper.text())
    settings = parsed("train", "i", "l", "--out", "o", "--settings", file, "--width", 4)
    assert settings == TrainSettings(recipe="paper", momentum=0.5, width=4)


@pytest.mark.parametrize(
    "name", ["TRAIN", "train", "STEPS", "UTILE_TRAIN", "VERSION", "PREDICT"]
)
def test_variables_of_the_environment_change_nothing(parsed, monkeypatch, name):
    monkeypatch.setenv(name, '{"steps": 3, "version": true}')
    assert parsed("train", "i", "l", "--out", "o") == TrainSettings()


def test_settings_of_a_run_give_the_same_run(folder, tmp_path):
    chosen = ["--learning-rate", "0.004", "--no-flips", "--seed", "3"]
    assert main(train(folder, tmp_path / "a", *chosen)) == 0
    first = tmp_path / "a" / "settings.json"
    files = [str(folder / name) for name in ("image.tif", "labels.tif")]
    again = ["train", *files, "--out", str(tmp_path / "b"), "--settings", str(first)]
    assert main(again) == 0
    assert (tmp_path / "b" / "settings.json").read_bytes() == first.read_bytes()
    expected = TrainSettings(**TINY, learning_rate=0.004, flips=False, seed=3)
    assert first.read_text() == expected.text()


# what is printed where


def test_help_names_every_command_and_option(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    for command in ("train", "augment", "predict", "weights", "evaluate", "sample", "doctor"):
        assert command in out
    assert main(["train", "--help"]) == 0
    out = capsys.readouterr().out
    for name, field in TrainSettings.model_fields.items():
        assert name.replace("_", "-") in out
        assert " ".join(field.description.split()[:3]) in " ".join(out.split())


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"utile {__version__}\n"


def test_people_read_standard_error(folder, tmp_path, capsys):
    assert main(train(folder, tmp_path / "run")) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "validation" in err
    assert str(tmp_path / "run") in err


def test_events_are_the_only_thing_on_standard_output(folder, tmp_path, capsys):
    assert main(train(folder, tmp_path / "run", "--events")) == 0
    events = [parse_event(line) for line in capsys.readouterr().out.splitlines()]
    assert isinstance(events[0], RunStarted)
    assert sum(isinstance(event, StepDone) for event in events) == 2
    assert isinstance(events[-1], RunDone)
    assert main(predict(folder, tmp_path / "p.zarr", "--events")) == 0
    events = [parse_event(line) for line in capsys.readouterr().out.splitlines()]
    assert isinstance(events[-1], RunDone)
    assert events[-1].out == str(tmp_path / "p.zarr")


def test_json_is_the_only_thing_on_standard_output(folder, tmp_path, capsys):
    for arguments in (train(folder, tmp_path / "run"), predict(folder, tmp_path / "p.zarr")):
        assert main([*arguments, "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["out"] == str(arguments[arguments.index("--out") + 1])
        assert result["stopped"] is False


def test_a_failure_is_an_event_too(folder, tmp_path, capsys):
    (tmp_path / "empty.tif").touch()
    arguments = [
        "predict",
        folder / "run",
        tmp_path / "empty.tif",
        "--out",
        tmp_path / "p.zarr",
    ]
    assert main([*map(str, arguments), "--events"]) == 2
    out, err = capsys.readouterr()
    last = parse_event(out.splitlines()[-1])
    assert last == RunFailed(message=f"{tmp_path / 'empty.tif'} is empty.", user=True)
    assert err == f"utile: {last.message}\n"


# the commands


def test_train_predict_and_evaluate(folder, tmp_path, capsys):
    out = tmp_path / "i.tif"
    assert main(predict(folder, out, "--output", "instances", "--tile", "16")) == 0
    assert open_image(out).scale == (5, 2, 2)
    capsys.readouterr()
    assert main(["evaluate", str(out), str(folder / "labels.tif"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert 0 <= report["iou"] <= 1
    assert main(["evaluate", str(out), str(folder / "labels.tif")]) == 0
    assert "iou" in capsys.readouterr().out


def test_what_training_would_see_is_written(folder, tmp_path, capsys):
    files = [str(folder / name) for name in ("image.tif", "labels.tif")]
    arguments = ["augment", *files, "--out", str(tmp_path / "seen"), "--count", "3", *FLAGS]
    assert main([*arguments, "--events"]) == 0
    events = [parse_event(line) for line in capsys.readouterr().out.splitlines()]
    assert (events[0].job, type(events[-1])) == ("augment", RunDone)
    for name in ("image", "labels", "weights", "grid"):
        assert open_image(tmp_path / "seen" / f"{name}.tif").shape == (3, 16, 16)
    for name in ("split", "density"):
        stack = open_image(tmp_path / "seen" / f"{name}.tif")
        assert (stack.shape, stack.scale) == ((4, 32, 40), (5, 2, 2))
    assert "--overwrite replaces it" in complaint(capsys, arguments)
    assert main([*arguments, "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["out"] == str(tmp_path / "seen")


def test_several_images_with_a_bad_one(folder, tmp_path, capsys):
    (tmp_path / "bad.tif").touch()
    (tmp_path / "good.tif").write_bytes((folder / "image.tif").read_bytes())
    images = [str(tmp_path / name) for name in ("bad.tif", "good.tif")]
    command = [
        "predict",
        str(folder / "run"),
        *images,
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["failed"] == [f"{images[0]}: {images[0]} is empty."]
    assert "bad.tif is left out" in err
    names = sorted(p.name for p in (tmp_path / "out").glob("[!.]*"))
    assert names == ["good.zarr", "summary.csv", "summary.json"]
    table = (tmp_path / "out" / "summary.csv").read_text().splitlines()
    assert [line.split(",")[4] for line in table] == ["status", "failed", "done"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())[0]["status"] == "failed"


def test_weights_are_the_weight_map(folder, tmp_path, capsys):
    from napari_utile.arrays.weight_maps.weight_map import weight_map

    out = tmp_path / "w.tif"
    labels = open_image(folder / "labels.tif").read()
    command = ["weights", str(folder / "labels.tif"), "--out", str(out), "--w0", "7"]
    assert main([*command, "--sigma", "3"]) == 0
    np.testing.assert_allclose(open_image(out).read(), weight_map(labels, 7, 3), rtol=1e-6)
    assert open_image(out).scale == (5, 2, 2)
    assert capsys.readouterr().out == ""
    assert "exists; overwrite replaces it" in complaint(capsys, command)
    assert main([*command, "--overwrite", "--no-class-balance", "--ignore", "2"]) == 0
    expected = weight_map(np.where(labels == 2, 0, labels), 7, 5, False)
    expected[labels == 2] = 0
    np.testing.assert_allclose(open_image(out).read(), expected, rtol=1e-6)


def test_weights_of_a_mask_are_those_of_its_parts(tmp_path):
    from napari_utile.arrays.weight_maps.weight_map import weight_map

    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 3:12], mask[5:15, 14:25] = 255, 255
    write_tiff(tmp_path / "mask.tif", mask)
    out = tmp_path / "w.tif"
    assert main(["weights", str(tmp_path / "mask.tif"), "--out", str(out)]) == 0
    parts = mask // 255 + (np.arange(30) > 13) * (mask > 0)
    np.testing.assert_allclose(open_image(out).read(), weight_map(parts), rtol=1e-6)


@pytest.fixture
def as_converters_write(folder, tmp_path):
    """image.zarr and labels.zarr with all five axes, as bioformats2raw writes them."""
    for name in ("image", "labels"):
        pixels = open_image(folder / f"{name}.tif").read()
        axes = [{"name": axis, "type": kind} for axis, kind in zip("tczyx", KINDS, strict=True)]
        level = {"path": "0"}
        ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}
        group = zarr.create_group(tmp_path / f"{name}.zarr", attributes={"ome": ome})
        group.create_array("0", data=pixels[None, None])
    return tmp_path


KINDS = ("time", "channel", "space", "space", "space")


def test_labels_with_all_five_axes_are_labels(folder, as_converters_write, capsys):
    image, labels = (str(as_converters_write / f"{name}.zarr") for name in ("image", "labels"))
    for command in ("train", "augment"):
        out = str(as_converters_write / command)
        assert main([command, image, labels, "--out", out, *FLAGS]) == 0
    out = as_converters_write / "weights.tif"
    assert main(["weights", labels, "--out", str(out)]) == 0
    assert open_image(out).read().squeeze().shape == (4, 32, 40)
    same = [labels, str(folder / "labels.tif")]
    for prediction, truth in (same, same[::-1], [labels, labels]):
        capsys.readouterr()
        assert main(["evaluate", prediction, truth, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["seg"] == 1


@pytest.fixture
def pictures(tmp_path):
    """Labels as gray.png, with alpha in la.png, and as colors in rgb.png."""
    ids = np.zeros((32, 40), np.uint8)
    ids[4:12, 4:12], ids[4:12, 20:30] = 1, 2
    gray = Image.fromarray(ids)
    for mode in ("L", "LA", "RGB"):
        gray.convert(mode).save(tmp_path / f"{mode.lower()}.png")
    return tmp_path


@pytest.mark.parametrize("name", ["l.png", "la.png"])
def test_labels_with_alpha_are_labels(pictures, name):
    noise = np.random.default_rng(0).integers(0, 200, (32, 40)).astype(np.uint8)
    Image.fromarray(noise).save(pictures / "image.png")
    files = [str(pictures / "image.png"), str(pictures / name)]
    assert main(["augment", *files, "--out", str(pictures / "seen"), *FLAGS]) == 0
    same = [str(pictures / "l.png"), files[1]]
    for pair in (same, same[::-1]):
        assert main(["evaluate", *pair]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["weights", "rgb.png", "--out", "w.tif"],
        ["evaluate", "l.png", "rgb.png"],
        ["evaluate", "rgb.png", "l.png"],
        ["train", "rgb.png", "rgb.png", "--out", "run"],
        ["augment", "rgb.png", "rgb.png", "--out", "seen"],
    ],
)
def test_colors_are_no_labels(pictures, monkeypatch, capsys, arguments):
    monkeypatch.chdir(pictures)
    line = complaint(capsys, arguments)
    assert "'rgb.png'" in line
    assert "one id per pixel" in line
    assert not (pictures / "w.tif").exists()


NO_TEXT = os.fsdecode(b"caf\xe9")
"""A name in Latin-1, as Python gives it."""


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "IMAGE", "LABELS", "--out", f"{NO_TEXT}/run"],
        ["train", NO_TEXT, "LABELS", "--out", "run"],
        ["train", "IMAGE", NO_TEXT, "--out", "run"],
        ["train", "folder", "folder", "--out", "run"],
        ["augment", "IMAGE", "LABELS", "--out", f"{NO_TEXT}/seen"],
        ["compare", "IMAGE", "LABELS", "--out", f"{NO_TEXT}/out"],
        ["predict", "RUN", "IMAGE", "--out", f"{NO_TEXT}.tif"],
        ["predict", "RUN", NO_TEXT, "--out", "out.tif"],
        ["predict", NO_TEXT, "IMAGE", "--out", "out.tif"],
        ["train", "IMAGE", "LABELS", "--out", "run", "--warm-start", NO_TEXT],
    ],
    ids=[
        "train out", "image", "labels", "in a folder", "augment out", "compare out",
        "predict out", "predict image", "model", "warm start",
    ],
)  # fmt: skip
def test_a_name_that_is_no_text_is_refused_at_once(
    folder, tmp_path, monkeypatch, capsys, arguments
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / f"{NO_TEXT}.tif").write_bytes((folder / "image.tif").read_bytes())
    real = {"IMAGE": "image.tif", "LABELS": "labels.tif", "RUN": "run"}
    arguments = [str(folder / real[one]) if one in real else one for one in arguments]
    assert main([*arguments, "--events"]) == 2
    out, err = capsys.readouterr()
    failed = parse_event(out)
    assert failed.user
    assert r"caf\xe9" in failed.message and "is not UTF-8" in failed.message
    assert err == f"utile: {failed.message}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_labels_are_never_overwritten_by_their_weights(folder, tmp_path, capsys):
    labels = tmp_path / "labels.tif"
    labels.write_bytes((folder / "labels.tif").read_bytes())
    line = complaint(capsys, ["weights", labels, "--out", labels, "--overwrite"])
    assert "is the labels themselves" in line
    assert labels.read_bytes() == (folder / "labels.tif").read_bytes()


def test_a_sample_can_be_trained_on(tmp_path, capsys):
    assert main(["sample", "synthetic", "--out", str(tmp_path / "s")]) == 0
    paths = capsys.readouterr().out.splitlines()
    assert paths == [str(tmp_path / "s" / name) for name in ("image.tif", "labels.tif")]
    image, labels = (open_image(path) for path in paths)
    assert image.shape == labels.shape
    assert labels.read().max() > 1
    assert "exists" in complaint(capsys, ["sample", "synthetic", "--out", tmp_path / "s"])


def test_doctor(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["U-Tile"] == __version__
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in found)


# what is refused

PATHS = ["train", "i.tif", "l.tif", "--out", "run"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["train"], "required: IMAGE, LABELS"),
        (["train", "i", "l"], "--out"),
        (["fly"], "'fly'"),
        ([*PATHS, "--stepps", "3"], "unrecognized arguments: --stepps"),
        ([*PATHS, "--steps", "0"], "--steps 0: should be greater than or equal to 1."),
        ([*PATHS, "--steps", "many"], "--steps many: should be a valid integer"),
        ([*PATHS, "--steps"], "--steps: expected one argument"),
        ([*PATHS, "--minutes", "inf"], "--minutes inf: should be a finite number."),
        ([*PATHS, "--learning-rate", "-1"], "--learning-rate -1: should be greater than 0."),
        ([*PATHS, "--network", "vgg"], "--network vgg: should be 'unet', "),
        ([*PATHS, "--settings", "no.json"], "no.json cannot be read: No such file"),
        ([*PATHS, "--tile", "3"], "--tile 3: should be greater than or equal to 16."),
        (PATHS, "i.tif was not found."),
        (PATHS[:-2], "--out is missing."),
        (["predict", "m", "i.tif", "--out", "p", "--tile", "big"], "--tile big: should be"),
        (["predict", "m", "i.tif", "--out", "p"], "m does not exist."),
        (["evaluate", "a.tif", "b.tif"], "a.tif was not found."),
        (["weights", "l.tif", "--out", "w.tif"], "l.tif was not found."),
        (["sample", "cat", "--out", "x"], "should be 'synthetic' or 'isbi2012'."),
    ],
)
def test_what_is_wrong_is_said_in_one_line(capsys, monkeypatch, tmp_path, arguments, reason):
    monkeypatch.chdir(tmp_path)
    assert reason in complaint(capsys, arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON"),
        ("[1]", "holds no settings"),
        ('{"widht": 3}', "widht"),
        ('{"width": 0}', "width 0: should be greater"),
        ('{"width": "x"}', "width x"),
    ],
)
def test_a_wrong_file_of_settings_is_named(capsys, tmp_path, content, reason):
    file = tmp_path / "mine.json"
    file.write_text(content)
    line = complaint(capsys, [*PATHS, "--settings", file])
    assert reason in line
    assert "mine.json" in line


def test_settings_that_are_no_text_are_named(capsys, tmp_path):
    file = tmp_path / "mine.json"
    file.write_bytes(b"\xff\xfe\x00")
    assert "mine.json is not JSON" in complaint(capsys, [*PATHS, "--settings", file])


# exit statuses


def fails_with(monkeypatch, error):
    def run(self):
        raise error

    monkeypatch.setattr(small.Doctor, "run", run)


def test_what_a_user_can_mend_is_status_2(monkeypatch, capsys):
    fails_with(monkeypatch, UserError("Mend\nthis."))
    assert complaint(capsys, ["doctor"]) == "Mend this."


def test_a_file_that_cannot_be_written_is_status_2(monkeypatch, capsys):
    fails_with(monkeypatch, PermissionError(13, "Permission denied", "/x/y"))
    assert complaint(capsys, ["doctor"]) == "/x/y: Permission denied."


def test_a_run_that_broke_is_status_1(monkeypatch, capsys):
    fails_with(monkeypatch, EngineError("The disk went away."))
    assert complaint(capsys, ["doctor"], status=1) == "The disk went away."


def test_a_defect_of_ours_is_status_1_with_all_that_helps_to_find_it(monkeypatch, capsys):
    fails_with(monkeypatch, KeyError("oops"))
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" in err
    assert err.splitlines()[-1] == "utile: KeyError: 'oops'"


def test_a_defect_is_an_event_too(folder, tmp_path, monkeypatch, capsys):
    from napari_utile.engine.training import run as training_run

    def broken(*_):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(training_run, "make_sampler", broken)
    assert main(train(folder, tmp_path / "run", "--events")) == 1
    last = parse_event(capsys.readouterr().out.splitlines()[-1])
    assert last == RunFailed(message="ZeroDivisionError: oops", user=False)


def test_ctrl_c_before_a_run_begins_is_quiet(monkeypatch, capsys):
    fails_with(monkeypatch, KeyboardInterrupt())
    assert main(["doctor"]) == 130
    assert capsys.readouterr() == ("", "")


# stopping


def test_stop_on_standard_input_saves_and_ends(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("stop\n"))
    assert main(train(folder, tmp_path / "run", "--steps", "100000", "--events")) == 130
    last = parse_event(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(last, RunDone)
    assert last.stopped
    assert main(predict(tmp_path, tmp_path / "p.zarr")) == 2  # no image.tif there
    image = str(folder / "image.tif")
    model = str(tmp_path / "run" / "model")
    assert main(["predict", model, image, "--out", str(tmp_path / "p.zarr")]) == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends(folder, tmp_path, how):
    arguments = train(folder, tmp_path / "run", "--steps", "100000", "--validations", "20000")
    process = subprocess.Popen(
        [sys.executable, "-m", "napari_utile", *arguments, "--events"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if isinstance(parse_event(line), EpochDone):
            process.send_signal(how)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err == ""
    assert parse_event(out.splitlines()[-1]).stopped
    from napari_utile.engine.models.model import load_model

    assert load_model(tmp_path / "run").scores


def test_a_run_ends_soon_after_its_window_was_killed(folder, tmp_path):
    command = [sys.executable, "-m", "napari_utile", *train(folder, tmp_path / "run")]
    command += ["--steps", "1000000", "--events"]
    window = subprocess.Popen(
        [sys.executable, "-c", WINDOW, *command], stdout=subprocess.PIPE, text=True
    )
    engine = int(window.stdout.readline())
    assert isinstance(parse_event(window.stdout.readline()), RunStarted)
    window.kill()
    window.wait()
    window.stdout.close()
    for _ in range(100):
        if not is_alive(engine):
            break
        time.sleep(0.1)
    else:
        os.kill(engine, signal.SIGKILL)
        pytest.fail("the engine outlived its window")


WINDOW = """
import subprocess, sys
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
engine = subprocess.Popen(sys.argv[1:], text=True, **pipes)
print(engine.pid, flush=True)
for line in engine.stdout:
    print(line, end="", flush=True)
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # one that has ended and that nobody has asked about yet
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("flag", ["--events", "--json"])
def test_who_reads_no_more_ends_a_run_without_a_word(folder, tmp_path, flag):
    command = [sys.executable, "-m", "napari_utile", *train(folder, tmp_path / "run"), flag]
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 130


def test_help_loads_no_torch():
    code = (
        "import sys; from napari_utile.cli.main import main; "
        "status = main(['train', '--help']); "
        "sys.exit(status or 'torch' in sys.modules or 'numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


# several networks side by side


def compare(folder, out, *flags):
    files = [str(folder / name) for name in ("image.tif", "labels.tif")]
    return ["compare", *files, "--out", str(out), *FLAGS, *flags]


@pytest.fixture(scope="module")
def compared(folder):
    """A finished comparison of two networks."""
    out = folder / "compared"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(""))
        assert main(compare(folder, out, "--networks", "unet,encoder-decoder")) == 0
    return out


def test_compare_prints_a_table_at_the_end(folder, compared, capsys):
    flags = ["--networks", "unet,encoder-decoder"]
    assert main(compare(folder, compared, *flags)) == 0
    out, err = capsys.readouterr()
    names = [line.split()[0] for line in out.splitlines() if line.strip()]
    assert [name for name in names if name in flags[1].split(",")] == flags[1].split(",")
    assert "IoU" in out and "validation part" in out and "±" not in out
    assert "encoder-decoder, seed 0 is done" in err


def test_compare_as_json_prints_only_rows(folder, compared, capsys):
    flags = ["--networks", "unet,encoder-decoder", "--seeds", "0", "--json"]
    assert main(compare(folder, compared, *flags)) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [(row["network"], row["seeds"]) for row in rows] == [
        ("unet", [0]),
        ("encoder-decoder", [0]),
    ]
    assert all(0 <= row["iou"] <= 1 and row["iou_std"] is None for row in rows)


def test_compare_as_json_prints_an_object_when_stopped(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("napari_utile.engine.comparison.front.run_comparison", interrupted)
    assert main(compare(folder, tmp_path / "out", "--json")) == 130
    assert json.loads(capsys.readouterr().out) == {"rows": [], "notes": [], "stopped": True}


def interrupted(*_):
    """A run whose user presses Ctrl-C at once."""
    os.kill(os.getpid(), signal.SIGINT)
    yield RunStarted(job="compare")


def test_compare_as_events_prints_only_events(folder, compared, capsys):
    assert main(compare(folder, compared, "--networks", "unet", "--events")) == 0
    events = [parse_event(line) for line in capsys.readouterr().out.splitlines()]
    names = ["RunStarted", "CandidateStarted", "CandidateDone", "RunDone"]
    assert [event.event for event in events] == names


def test_a_network_that_fails_makes_no_success(folder, tmp_path, capsys, monkeypatch):
    from napari_utile.engine.comparison import front

    real = front.run_training

    def run_training(images, labels, settings, *rest, **options):
        if settings.network == "unet":
            raise UserError("Nothing can be learnt.")
        return (yield from real(images, labels, settings, *rest, **options))

    monkeypatch.setattr(front, "run_training", run_training)
    flags = ["--networks", "unet,encoder-decoder", "--json"]
    assert main(compare(folder, tmp_path / "out", *flags)) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["failed"] == ["unet-seed0: Nothing can be learnt."]
    assert "unet-seed0 is left out: Nothing can be learnt." in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("--networks", "unet,vnet"),
            "--networks: there is no network 'vnet'; there are unet, ",
        ),
        (("--network", "unet"), "--network: a comparison has several; name them in networks."),
        (("--seed", "3"), "--seed: a comparison has several; name them in seeds."),
        (("--seeds", "0,x"), "--seeds"),
    ],
)
def test_compare_says_what_it_cannot_take(folder, tmp_path, capsys, flags, said):
    line = complaint(capsys, compare(folder, tmp_path / "out", *flags))
    assert line.startswith(said)
    assert not (tmp_path / "out").exists()


def test_settings_of_a_comparison_are_flags_or_its_file(folder, compared, monkeypatch):
    seen = []
    monkeypatch.setattr(Compare, "run", lambda self: seen.append(self.options()) or 0)
    flags = ["--networks", "fcn,unet", "--seeds", "4,5", "--minutes", "3"]
    assert main(["compare", "i", "l", "--out", "o", *flags]) == 0
    expected = CompareSettings(networks=("fcn", "unet"), seeds=(4, 5), minutes=3)
    assert seen.pop() == expected
    file = str(compared / "settings.json")
    assert main(["compare", "i", "l", "--out", "o", "--settings", file]) == 0
    assert seen.pop() == CompareSettings.read(compared / "settings.json")
