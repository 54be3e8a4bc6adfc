"""`utile models`: what is printed, and which models a name stands for."""

import json
from pathlib import Path

import pytest

from napari_utile.cli import models as module
from napari_utile.cli.main import main
from napari_utile.cli.models import model_path
from napari_utile.errors import UserError
from napari_utile.folders.model import given_name
from tests.fixtures.commands import complaint
from tests.fixtures.known_models import add_model


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a data folder with two models, and go to another folder."""
    monkeypatch.setattr(module, "data_folder", lambda: tmp_path / "data")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    runs = tmp_path / "data" / "runs"
    scores = {"iou": 0.9144, "dice": 0.95}
    add_model(runs / "em" / "model", when=1.1e9, images="em 1, em 2", scores=scores)
    add_model(runs / "nuclei" / "model", when=1.2e9, network="unet-3d")
    (runs / "broken" / "model").mkdir(parents=True)
    return tmp_path / "data"


def test_models_are_listed_as_text_and_as_json(place, capsys):
    assert main(["models"]) == main(["models", "list"]) == 0
    out, err = capsys.readouterr()
    first, second = [line for line in out.splitlines() if " 20" in line][:2]
    assert "nuclei" in first and "unet-3d" in first
    assert "em 1, em 2" in second and "iou 0.914" in second
    assert "left out: " in err and "broken" in err
    assert main(["models", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in found["models"]] == ["nuclei", "em"]
    assert found["models"][1]["value"] == 0.9144 and found["models"][0]["axes"] == 3
    assert [Path(left["path"]).parent.name for left in found["left_out"]] == ["broken"]


def test_a_card_is_printed(place, capsys):
    assert main(["models", "card", "EM"]) == 0
    assert "iou 0.914, dice 0.950" in capsys.readouterr().out
    assert main(["models", "card", "em", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["scores"]["dice"] == 0.95 and card["settings"] is None


def test_a_model_is_renamed_exported_imported_and_deleted(place, capsys):
    assert main(["models", "rename", "em", "Zellen, groß"]) == 0
    assert given_name(place / "runs" / "em") == "Zellen, groß"
    assert main(["models", "export", "zellen, groß", "--out", "a.zip"]) == 0
    assert capsys.readouterr().out == "a.zip\n"
    again = ["models", "export", "zellen, groß", "--out", "a.zip"]
    assert "a.zip exists; --overwrite replaces it" in complaint(capsys, again)
    assert main(["models", "import", "a.zip", "--name", "copy"]) == 0
    assert capsys.readouterr().out == f"{place / 'models' / 'copy'}\n"
    asked = complaint(capsys, ["models", "delete", "copy"])
    assert f"This deletes {place / 'models' / 'copy'}" in asked and "--yes" in asked
    assert (place / "models" / "copy").is_dir()
    assert main(["models", "delete", "copy", "--yes"]) == 0
    assert not (place / "models" / "copy").exists()


def test_a_path_wins_over_a_name_and_a_name_must_be_clear(place):
    assert model_path(Path("em")) == place / "runs" / "em" / "model"
    Path("em").mkdir()
    assert model_path(Path("em")) == Path("em")
    assert model_path(Path("no/where")) == Path("no/where")
    add_model(place / "models" / "nuclei")
    with pytest.raises(UserError, match=r"2 models are called 'nuclei': name one of .*runs"):
        model_path(Path("nuclei"))
    with pytest.raises(UserError, match="x does not exist, and no model has this name"):
        model_path(Path("x"))


def test_models_of_that_name_are_asked_for_by_commands_that_take_one(place, capsys):
    weights = place / "runs" / "em" / "model" / "weights.pt"  # not of a network
    command = ["predict", "em", "no.tif", "--out", "p.zarr"]
    assert f"{weights} is cut off" in complaint(capsys, command)
    for command in (
        ["train", "no.tif", "no.tif", "--out", "run", "--warm-start", "x"],
        ["link", "r.zarr", "--model", "x"],
    ):
        assert "no model has this name" in complaint(capsys, command)
