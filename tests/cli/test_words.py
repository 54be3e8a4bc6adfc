"""Words of a command line reach the commands as they were written."""

from pathlib import Path

import numpy as np
import pytest

from napari_utile.cli.compare import Compare
from napari_utile.cli.evaluate import Evaluate
from napari_utile.cli.main import main
from napari_utile.cli.predict import Predict
from napari_utile.cli.train import Train
from napari_utile.widgets.process.command_line import flags
from tests.fixtures.commands import complaint

NAMES = (
    "a,b.tif", "c.tif,d.tif", "x, y.tif", " x.tif ", "[1,2].tif", "[A1] x.tif", "{1}.tif", "[",
    'the "best".tif', "it's.tif", "a=b.tif", "x;y.tif", "x\ny.tif", "x\ty.tif", "$HOME", "~/x",
    "%PATH%", "\\x", "*?.tif", "None", "null", "true", "1.5", "1e3", "[]", "{}", "@x",
    "Ma\u0308use",
)  # fmt: skip


@pytest.fixture
def command(monkeypatch):
    """Parse the command line, run nothing, and give the command."""
    seen = []
    for kind in (Train, Predict, Compare, Evaluate):
        monkeypatch.setattr(kind, "run", lambda self: seen.append(self) or 0)

    def command(*arguments):
        assert main(arguments) == 0
        return seen.pop()

    return command


def test_lists_of_images_are_the_words_as_given(command):
    assert command("predict", "m", *NAMES, "--out", "o").image == [*NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_no_sign_in_a_name_has_a_meaning(command, name):
    found = command("predict", name, name, "--out", name, "--settings", name, "--job", name)
    assert found.image == [name]
    assert {found.model, found.out, found.settings, found.job} == {Path(name)}
    found = command("train", name, name, "--out", name, "--warm-start", name, "--job", name)
    assert (found.image, found.labels) == (name, name)
    assert {found.out, found.warm_start, found.job} == {Path(name)}
    found = command("evaluate", name, name, "--image", name, "--objects-csv", name)
    assert {found.prediction, found.truth, found.image} == {name}


def test_names_with_a_leading_dash(command, capsys, tmp_path, monkeypatch):
    found = command("predict", "--out=-o", "m", "--", "-x.tif", "--objects=3")
    assert (found.out, found.image) == (Path("-o"), ["-x.tif", "--objects=3"])
    line = complaint(capsys, ["predict", "m", "i.tif", "--out", "-o"])
    assert "written --out=-o" in line
    monkeypatch.chdir(tmp_path)
    Path("-x.tif").touch()
    assert "written ./-x.tif" in complaint(capsys, ["predict", "m", "-x.tif", "--out", "o"])


@pytest.mark.parametrize(
    "words", [["predict", "m", "", "--out", "o"], ["train", "i", "l", "--out", ""]]
)
def test_an_empty_word_is_not_the_present_folder(capsys, words):
    assert "is empty; was a variable of the shell never set?" in complaint(capsys, words)


def test_what_the_program_names_itself_may_have_commas(command):
    given = ("--networks", "unet, fcn", "--seeds", "0,1", "--seeds", "3", "--patience", "None")
    found = command("compare", "i", "l", "--out", "o", *given)
    assert (found.networks, found.seeds) == (("unet", "fcn"), (0, 1, 3))
    assert found.patience is None
    options = found.options()
    again = command("compare", "i", "l", "--out", "o", *flags(options)).options()
    assert again == options


@pytest.mark.parametrize(
    ("words", "reports"),
    [
        (["r.html,r.json"], ["r.html", "r.json"]),
        (["r.html, r.PNG"], ["r.html", "r.PNG"]),
        (["r.html", "r.json"], ["r.html", "r.json"]),
        (["a,b.html"], ["a,b.html"]),
        (["wt, day 1/r.html,wt, day 1/r.csv"], ["wt, day 1/r.html", "wt, day 1/r.csv"]),
        (["there.html,old/r.csv"], ["there.html,old/r.csv"]),
        ([",r.html"], [",r.html"]),
    ],
)
def test_reports_are_split_where_one_ends(command, tmp_path, monkeypatch, words, reports):
    monkeypatch.chdir(tmp_path)
    Path("there.html,old").mkdir()
    given = [part for word in words for part in ("--out", word)]
    assert command("evaluate", "p", "t", *given).out == tuple(map(Path, reports))


def test_a_report_is_written_to_a_folder_with_a_comma(tmp_path):
    np.save(tmp_path / "t.npy", np.eye(20, dtype=np.uint8))
    truth, out = str(tmp_path / "t.npy"), tmp_path / "wt, day 1" / "r.json"
    assert main(["evaluate", truth, truth, "--out", str(out)]) == 0
    assert [path.name for path in tmp_path.rglob("*.json")] == ["r.json"]
    assert out.exists()
