"""The command `utile`: what it prints where, what it refuses, and its exit statuses."""

import json
import os
import subprocess
import sys

import pytest

from napari_utile import __version__
from napari_utile.cli import small
from napari_utile.cli.main import main
from napari_utile.errors import EngineError, UserError
from napari_utile.events import RunDone, RunFailed, RunStarted, StepDone, parse_event
from napari_utile.settings.training import TrainSettings
from tests.fixtures.commands import PATHS, complaint, predict, train

# what is printed where


def test_help_names_every_command_and_option(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    for command in ("train", "preview", "predict", "weights", "evaluate", "sample", "doctor"):
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
        ["preview", "IMAGE", "LABELS", "--out", f"{NO_TEXT}/seen"],
        ["compare", "IMAGE", "LABELS", "--out", f"{NO_TEXT}/out"],
        ["predict", "RUN", "IMAGE", "--out", f"{NO_TEXT}.tif"],
        ["predict", "RUN", NO_TEXT, "--out", "out.tif"],
        ["predict", NO_TEXT, "IMAGE", "--out", "out.tif"],
        ["train", "IMAGE", "LABELS", "--out", "run", "--warm-start", NO_TEXT],
    ],
    ids=[
        "train out", "image", "labels", "in a folder", "preview out", "compare out",
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


# what is refused


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["train"], "required: IMAGE, LABELS"),
        (["train", "i", "l"], "--out"),
        (["fly"], "'fly'"),
        ([*PATHS, "--stepps", "3"], "unrecognized arguments: --stepps"),
        ([*PATHS, "--steps", "0"], "--steps 0: should be greater than or equal to 1."),
        ([*PATHS, "--steps", "many"], "--steps many: should be a whole number."),
        ([*PATHS, "--steps"], "--steps: expected one argument"),
        ([*PATHS, "--minutes", "inf"], "--minutes inf: should be a finite number."),
        ([*PATHS, "--learning-rate", "-1"], "--learning-rate -1: should be greater than 0."),
        ([*PATHS, "--network", "vgg"], "--network vgg: should be 'unet', "),
        ([*PATHS, "--settings", "no.json"], "no.json was not found."),
        ([*PATHS, "--tile", "3"], "--tile 3: should be greater than or equal to 16."),
        (PATHS, "i.tif was not found."),
        (PATHS[:-2], "--out is missing."),
        (["predict", "m", "i.tif", "--out", "p", "--tile", "big"], "--tile big: should be"),
        (["predict", "m", "i.tif", "--out", "p"], "m does not exist, and no model"),
        (["evaluate", "a.tif", "b.tif"], "a.tif was not found."),
        (["weights", "l.tif", "--out", "w.tif"], "l.tif was not found."),
        (["sample", "cat", "--out", "x"], "should be 'synthetic' or 'isbi2012'."),
    ],
)
def test_what_is_wrong_is_said_in_one_line(capsys, monkeypatch, tmp_path, arguments, reason):
    monkeypatch.chdir(tmp_path)
    assert reason in complaint(capsys, arguments)
    assert not list(tmp_path.iterdir())


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
    from napari_utile.engine.training.data.layout import TileLayout

    def broken(*_):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(TileLayout, "sampler", broken)
    assert main(train(folder, tmp_path / "run", "--events")) == 1
    last = parse_event(capsys.readouterr().out.splitlines()[-1])
    assert last == RunFailed(message="ZeroDivisionError: oops", user=False)


def test_ctrl_c_before_a_run_begins_is_quiet(monkeypatch, capsys):
    fails_with(monkeypatch, KeyboardInterrupt())
    assert main(["doctor"]) == 130
    assert capsys.readouterr() == ("", "")


# stopping


def test_help_loads_no_torch():
    code = (
        "import sys; from napari_utile.cli.main import main; "
        "status = main(['train', '--help']); "
        "sys.exit(status or 'torch' in sys.modules or 'numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
