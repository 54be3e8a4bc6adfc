"""`utile coco`: its flags, what it prints where, and its exit statuses."""

import io
import json
import sys

import pytest
from pycocotools.coco import COCO

from napari_utile.cli.coco import CocoTrain
from napari_utile.cli.main import main, present_arguments
from napari_utile.events import CandidateDone, RunDone, RunStarted, parse_event
from napari_utile.settings.comparison import CompareSettings
from tests.fixtures.coco_sample import write_coco_sample

TINY = {
    "networks": "unet,encoder-decoder", "seeds": "0,1", "steps": 1, "depth": 1, "width": 2,
    "tile": 16, "batch": 1, "validations-per-run": 1, "validation-share": 0.4,
    "longest-side": 32, "device": "cpu", "precision": "fp32",
}  # fmt: skip
FLAGS = [part for name, value in TINY.items() for part in (f"--{name}", str(value))]


@pytest.fixture(autouse=True)
def no_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return [str(path) for path in write_coco_sample(tmp_path_factory.mktemp("coco"))]


@pytest.fixture(scope="module")
def trained(sample, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(""))
        assert (
            main(["coco", "train", *sample, "--category", "cat", *FLAGS, "--out", str(out)])
            == 0
        )
    return str(out)


def complaint(capsys, *arguments):
    """Run a command that is refused; give the one line that says why."""
    assert main(["coco", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    return line.removeprefix("utile: ")


@pytest.mark.parametrize(
    ("line", "present"),
    [
        ("coco train a f --validations=3", "coco train a f --validations-per-run=3"),
        ("coco train a f --validation .3", "coco train a f --validation-share .3"),
        ("coco evaluate t a f --objects components", "--instance-method components"),
        ("predict m objects --out validation", "predict m objects --out validation"),
        ("train i l --validations 3", "train i l --validations-per-run 3"),
        ("evaluate p t --no-thresholds", "evaluate p t --no-score-thresholds"),
        ("coco subset a f --objects 3", "coco subset a f --objects 3"),
        ("augment i l --validations=3", "preview i l --validations-per-run=3"),
    ],
)
def test_flags_of_older_versions_are_those_of_the_command(line, present):
    assert " ".join(present_arguments(line.split())).endswith(present)


def test_subset_train_and_evaluate_follow_each_other(sample, tmp_path, capsys):
    part, out = tmp_path / "part", tmp_path / "out"
    assert main(["coco", "subset", *sample, "--category", "animal", "--images", "4",
                 "--out", str(part)]) == 0  # fmt: skip
    out_line = capsys.readouterr().out
    assert "4 images, " in out_line and "(of 6 images in annotations.json)" in out_line
    assert len(COCO(part / "annotations.json").imgs) == 4
    of_part = [str(part / "annotations.json"), str(part / "images")]
    assert main(["coco", "train", *of_part, *FLAGS, "--out", str(out)]) == 0
    assert main(["coco", "evaluate", str(out), *of_part]) == 0
    printed = capsys.readouterr().out
    assert "COCO AP" in printed
    assert "4 of the 4 images were trained on" in " ".join(printed.split())


def test_json_is_the_table_and_nothing_else(sample, trained, capsys):
    assert main(["coco", "evaluate", trained, *sample, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["network"] for row in found["rows"]] == ["unet", "encoder-decoder"]
    assert [(run["network"], run["seed"]) for run in found["runs"]] == [
        ("unet", 0), ("unet", 1), ("encoder-decoder", 0), ("encoder-decoder", 1),
    ]  # fmt: skip
    for row in found["rows"]:
        assert row.keys() >= {
            "iou", "iou_std", "dice", "coco_ap", "coco_ap_std", "coco_ap50", "coco_ap75",
            "coco_ar", "coco_ar_large", "coco_stock_ap", "parameters", "steps",
        }  # fmt: skip
    assert found["notes"]
    assert not found["stopped"]


@pytest.mark.parametrize("verb", ["train", "evaluate"])
def test_events_are_the_only_thing_on_standard_output(sample, trained, tmp_path, capsys, verb):
    given = {
        "train": ["train", *sample, "--category", "cat", *FLAGS, "--out", trained],
        "evaluate": ["evaluate", trained, *sample, "--out", str(tmp_path / "scores")],
    }[verb]
    assert main(["coco", *given, "--events"]) == 0
    events = [parse_event(line) for line in capsys.readouterr().out.splitlines()]
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunDone)
    assert sum(isinstance(event, CandidateDone) for event in events) == 4


def test_training_follows_the_recipe_for_photos_unless_told(monkeypatch, sample):
    seen = []
    monkeypatch.setattr(CocoTrain, "run", lambda self: seen.append(self.options()) or 0)
    for flags, expected in (
        ([], {"recipe": "photos"}),
        (["--tile", "64"], {"recipe": "photos", "tile": 64}),
        (["--recipe", "default"], {"recipe": "default"}),
    ):
        assert main(["coco", "train", *sample, "--out", "o", *flags]) == 0
        assert seen.pop() == CompareSettings(**expected)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--category", "cta"], "no category 'cta'"),
        (["--steps", "0"], "--steps 0: should be greater"),
        (["--networks", "vnet"], "--networks: there is no network 'vnet'"),
        (["--longest-side", "-1"], "--longest-side -1: should be greater"),
        (["--ignore", "3"], "leave out ignore and sparse"),
    ],
)
def test_what_train_cannot_take_is_said_in_one_line(sample, tmp_path, capsys, flags, reason):
    out = tmp_path / "out"
    assert reason in complaint(capsys, "train", *sample, *flags, "--out", out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "utile coco needs a command: subset, train or evaluate"),
        (["subset", "no.json", "i", "--out", "x"], "no.json was not found"),
        (["subset", "no.json", "i"], "--out is missing"),
        (["train", "no.json"], "required: FOLDER"),
        (["evaluate", "nowhere", "no.json", "i"], "nowhere was not found"),
        (["fly"], "'fly'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, monkeypatch, capsys, arguments, reason):
    monkeypatch.chdir(tmp_path)
    assert reason in complaint(capsys, *arguments)
    assert not [*tmp_path.iterdir()]


def test_what_was_learnt_cannot_change_under_a_folder(sample, trained, capsys):
    line = complaint(capsys, "train", *sample, "--category", "dog", *FLAGS, "--out", trained)
    assert "names: cat there, dog here" in line
