"""`utile objects`, and the table that `utile predict` writes."""

import json

import pytest

from napari_utile.cli.main import main
from napari_utile.events import ImageDone, parse_event
from napari_utile.results.columns import read_table
from tests.fixtures.commands import complaint, predict


@pytest.fixture(scope="module")
def result(folder, tmp_path_factory):
    """A result of instances."""
    out = tmp_path_factory.mktemp("objects") / "i.zarr"
    assert main(predict(folder, out, "--output", "instances", "--tile", "16")) == 0
    return out


def test_objects_of_labels(folder, tmp_path, capsys):
    arguments = ["objects", str(folder / "labels.tif"), "--out", str(tmp_path / "o.csv")]
    assert main([*arguments, "--image", str(folder / "image.tif"), "--events"]) == 0
    events = [parse_event(line) for line in capsys.readouterr().out.splitlines()]
    (end,) = [event for event in events if isinstance(event, ImageDone)]
    assert end.objects == 4
    table = read_table((tmp_path / "o.csv").read_text())
    assert table["id"].tolist() == [2, 10, 18, 26]
    assert table["voxels"].tolist() == [4 * 5 * (x // 2 + 4) for x in (2, 10, 18, 26)]
    assert (table["intensity_mean"] > 100).all()


def test_the_table_of_a_result_is_beside_it(result, capsys):
    assert main(["objects", str(result), "--json"]) == 0
    end = json.loads(capsys.readouterr().out)
    assert end["out"] == f"{result}.objects.csv" and not end["kept"]
    assert main(["objects", str(result)]) == 0
    assert "kept" in capsys.readouterr().err


def test_predict_writes_the_same_table(folder, result, tmp_path):
    main(["objects", str(result)])
    out = tmp_path / "with.zarr"
    command = predict(folder, out, "--output", "instances", "--tile", "16")
    assert main([*command, "--objects-table"]) == 0
    table = out.with_name("with.zarr.objects.csv")
    assert table.read_bytes() == result.with_name("i.zarr.objects.csv").read_bytes()
    table.unlink()
    assert main([*command, "--objects-table"]) == 0  # the result is kept, its table is missing
    assert table.exists()


def test_a_table_of_probabilities_has_no_effect(folder, tmp_path, capsys):
    assert main(predict(folder, tmp_path / "p.zarr", "--tile", "16", "--objects-table")) == 0
    assert "objects table has no effect on probabilities" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.csv"))


def test_what_is_wrong_is_said_in_one_line(folder, tmp_path, capsys):
    missing = complaint(capsys, ["objects", tmp_path / "no.tif", "--out", tmp_path / "o.csv"])
    assert missing == f"{tmp_path / 'no.tif'} was not found."
