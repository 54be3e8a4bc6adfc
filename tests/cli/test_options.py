"""Options: flags, the file of settings, the recipe, and which of them wins."""

import pytest

from napari_utile.cli.main import main
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings
from tests.fixtures.commands import PATHS, TINY, complaint, train

# flags are settings


OTHER = {
    "context": 1,
    "recipe": "paper", "target": "classes", "ignore": 9, "sparse": True,
    "network": "encoder-decoder", "depth": 3, "width": 5, "padding": "valid", "norm": "none",
    "dropout": 0.25, "output": "sigmoid", "steps": 11,
    "minutes": 0.5, "validations_per_run": 3, "validation_share": 0.3, "tile": 32, "batch": 2,
    "optimizer": "sgd", "learning_rate": 0.5, "momentum": 0.5, "weight_decay": 0.5,
    "schedule": "constant", "w0": 3.5, "sigma": 2.5, "class_balance": True, "elastic": 1.5,
    "rotation": 90.0, "flips": False, "gray": 0.5, "seed": 7, "device": "cpu",
    "precision": "fp32", "averaging": True, "threshold": 0.25, "min_size": 3, "deformed": 0.25,
    "patience": 3, "split": "block", "sampling": "borders", "instance_method": "components",
    "fill_holes": 9, "grow": 1.5, "linking": "touch", "link_iou": 0.5,
    "linking_costs": "c.json", "dtype": "float16", "format": "tif",
    "region": "0:1,0:9,3:7", "loss": "dice", "strict": True, "skip_broken": True,
    "normalize": "image", "spacing": (40.0, 8.0, 8.0), "empty_slices": "unannotated",
    "border": "30nm", "objects_table": True, "keep_affinities": True,
    "validation_images": ("a.tif",),
}  # fmt: skip
"""For every option a value that is not the default."""


def flag(name, value):
    kebab = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{kebab}"]
    words = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return [f"--{kebab}", words]


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
    settings = parsed("preview", "i", "l", "--out", "o", "--count", "3", *flags)
    assert settings == TrainSettings(sampling="borders", tile=64, elastic=3.0)


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
def test_the_budget_that_is_given_replaces_that_of_the_file(
    parsed, tmp_path, capsys, flag, expected
):
    file = tmp_path / "settings.json"
    file.write_text(TrainSettings().text())  # it ends after some steps, and so says the file
    settings = parsed("train", "i", "l", "--out", "o", "--settings", file, flag, 10)
    assert settings == TrainSettings(**expected)
    said = "warning: The steps (2000) of " in capsys.readouterr().err
    assert said == (flag == "--minutes")


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


# what is refused


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON"),
        ("[1]", "holds no settings"),
        ('{"widht": 3}', ": widht is no option; did you mean width?"),
        ('{"validation-share": 0.2}', "; did you mean validation_share?"),
        ('{"width": 0}', ": width 0: should be greater"),
        ('{"width": "x"}', ": width x"),
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
    assert "mine.json is not UTF-8" in complaint(capsys, [*PATHS, "--settings", file])
