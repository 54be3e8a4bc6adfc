"""`utile evaluate`: what is printed, what is written, and what is refused."""

import csv
import io
import json
import signal
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_utile.cli.main import main
from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.events import parse_event
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.ome_zarr import create_image, create_labels
from napari_utile.io.stack import Stack


@pytest.fixture
def truth():
    cells = np.zeros((4, 24, 32), np.uint8)
    cells[:, 2:10, 2:12], cells[:, 12:22, 4:28] = 1, 2
    return cells


@pytest.fixture
def foreground(truth):
    p = np.where(truth > 0, 0.8, 0.1).astype(np.float32)
    p[2, 2:10] = 0.3
    return p


@pytest.fixture
def files(tmp_path, truth, foreground):
    """Prediction, truth and image; the truth has a scale."""
    shape = Stack(truth, "zyx", scale=(50, 4, 4), units=("nanometer",) * 3)
    write_tiff(tmp_path / "true.tif", truth, like=shape)
    np.save(tmp_path / "p.npy", np.stack([1 - foreground, foreground]))
    write_tiff(tmp_path / "image.tif", 255 - 200 * (truth > 0).astype(np.uint8), like=shape)
    return tmp_path


@pytest.fixture
def run(files, monkeypatch, capsys):
    """Run the command in the folder of the files; give status, output, and complaint."""
    monkeypatch.chdir(files)

    def run(*arguments):
        status = main(["evaluate", *map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_it_prints_the_table_and_the_other_scores(run):
    status, out, _ = run("p.npy", "true.tif")
    assert status == 0
    names, *rows = out.splitlines()
    assert names.split()[:3] == ["slice", "iou", "pixel_error"]
    assert [row.split()[0] for row in rows[:5]] == ["0", "1", "2", "3", "all"]
    assert "coco_ap50" in out
    assert "precision_50" in out


def test_json_is_all_that_is_printed(run, foreground, truth):
    status, out, err = run("p.npy", "true.tif", "--json")
    read = json.loads(out, parse_constant=pytest.fail)
    expected = evaluate(foreground, truth)
    assert (status, err) == (0, "")
    assert {name: read[name] for name in expected} == pytest.approx(dict(expected))
    for table in ("rows", "ious", "precision_recall", "sizes", "coco_stock", "objects"):
        assert read[table]


def test_events_are_all_that_is_printed_and_the_report_is_written(run, files, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    status, out, _ = run("p.npy", "true.tif", "--events", "--out", "r.json")
    start, *steps, end = [parse_event(line) for line in out.splitlines()]
    assert status == 0
    assert (start.job, start.total) == ("evaluate", len(steps))
    assert [step.done for step in steps] == list(range(1, 10))
    written = json.loads((files / "r.json").read_text())
    assert "f1_50" in end.scores
    assert end.scores.items() <= written.items()


def test_ctrl_c_stops_with_130_and_no_scores(run, monkeypatch):
    module = sys.modules["napari_utile.evaluation.evaluate"]
    score_slice = module.score_slice

    def interrupted(*given):
        signal.raise_signal(signal.SIGINT)
        return score_slice(*given)

    monkeypatch.setattr(module, "score_slice", interrupted)
    status, out, err = run("p.npy", "true.tif")
    assert (status, out) == (130, "")
    assert "stopped after" in err
    assert run("p.npy", "true.tif", "--json")[:2] == (130, "")


def test_every_report_is_written(run, files):
    status, _, err = run(
        "p.npy", "true.tif", "--image", "image.tif", "--out", "r.html,r.png,r.json,r.csv",
        "--objects-csv", "o.csv",
    )  # fmt: skip
    assert status == 0
    for name in ("r.html", "r.png", "r.json", "r.csv", "o.csv"):
        assert (files / name).stat().st_size > 100
        assert name in err.splitlines()
    with (files / "o.csv").open() as file:
        kinds = [row["kind"] for row in csv.DictReader(file)]
    assert sorted(kinds) == ["matched"] * 7 + ["missed"]


def test_the_error_layer_is_labels_at_the_place_of_the_truth(run, files, truth):
    assert run("p.npy", "true.tif", "--error-layer", "e.tif")[0] == 0
    layer = open_image(files / "e.tif")
    assert layer.shape == truth.shape
    assert layer.scale == pytest.approx((50, 4, 4))
    assert set(layer.units) == {"nanometer"}
    pixels = layer.read()
    assert pixels[2, 5, 5] == 2  # missed
    assert (pixels[0] == np.where(truth[0] > 0, 1, 0)).all()


def test_sizes_are_in_um2_where_the_scale_is_known(run):
    read = json.loads(run("p.npy", "true.tif", "--json")[1])
    assert read["sizes"][-1]["unit"] == "um2"
    assert read["sizes"][-1]["high"] == pytest.approx(10 * 24 * 16e-6)


def test_thresholds_and_validation_slices(run):
    status, out, _ = run(
        "p.npy", "true.tif", "--score-thresholds", "--threshold-slices", "0:1", "--json"
    )
    read = json.loads(out)
    assert status == 0
    assert [row["threshold"] for row in read["thresholds"]] == [n / 10 for n in range(10)]
    assert {row["chosen_on"] for row in read["best"]} == {"slices 0:1, scored on the others"}
    # as older versions had it
    assert (
        "chosen on slices 0:1"
        in run("p.npy", "true.tif", "--thresholds", "--validation=0:1")[1]
    )


def test_classes(run, files, truth):
    write_tiff(files / "kinds.tif", np.where(truth == 2, 0, truth))
    read = json.loads(run("kinds.tif", "true.tif", "--target", "classes", "--json")[1])
    assert (read["iou_1"], read["iou_2"]) == (1, 0)
    assert "f1_50" not in read


def test_folders_are_one_report_and_a_folder_of_error_layers(run, files, truth):
    for side in ("found", "true"):
        (files / side).mkdir()
        write_tiff(files / side / "a.tif", truth)
        write_tiff(files / side / "b.tif", truth[0, :12])
    status, out, _ = run("found", "true", "--json", "--error-layer", "errors")
    assert status == 0
    names = [row["slice"] for row in json.loads(out)["rows"]]
    assert names == ["a 0", "a 1", "a 2", "a 3", "b", "all"]
    shapes = [tifffile.imread(files / f"errors/{name}.tif").shape for name in "ab"]
    assert shapes == [(4, 24, 32), (12, 32)]
    assert run("found", "true", "--error-layer", "errors")[0] == 2
    assert run("found", "true", "--error-layer", "errors", "--overwrite")[0] == 0
    refused = run("found", "true", "--error-layer", "true", "--overwrite")
    assert refused[0] == 2 and "is what is evaluated" in refused[2]


def test_two_folders_with_one_file_each_pair_by_name_too(run, files, truth):
    for side in ("found", "true"):
        (files / side).mkdir()
        write_tiff(files / side / f"{side}.tif", truth)
    status, _, err = run("found", "true")
    assert status == 2
    assert "no truth for found.tif" in err and "no prediction for true.tif" in err
    assert run("found", "true/true.tif")[0] == 0  # named: whatever it is called


def test_the_image_under_the_errors_is_not_replaced_by_the_report(run, files, truth):
    write_tiff(files / "one.tif", truth[0])
    Image.fromarray(truth[0]).save(files / "photo.png")
    paths = ("one.tif", "one.tif", "--image", "photo.png", "--out", "photo.png")
    status, _, err = run(*paths, "--overwrite")
    assert status == 2 and "photo.png is what is evaluated" in err


def test_instances_of_ours_are_ranked_by_the_probabilities_beside_them(
    run, files, truth, foreground
):
    like, name = open_image(files / "true.tif"), files / "ours.zarr"
    chunks = (1, 24, 32)
    inside = np.rint(255 * foreground).astype(np.uint8)
    created = create_image(
        name, truth.shape, "uint8", chunks, like, attributes={"kind": "instances"}
    )
    created[:] = inside
    create_labels(name, "instances", truth.shape, "uint32", chunks, like)[:] = truth
    read = json.loads(run("ours.zarr", "true.tif", "--score-thresholds", "--json")[1])
    assert read["iou"] == 1
    assert not any("ranked" in note for note in read["notes"])
    assert len(read["thresholds"]) == 10
    rows = evaluate(truth, truth, probabilities=inside).objects
    assert set(np.round(rows.column("score"), 2)) == {0.8, 0.3}


def test_images_whose_names_collide_keep_their_rows(run, files, truth):
    for side in ("found", "true"):
        (files / side).mkdir()
        for name, labels in (("a", truth), ("a 0", truth[0]), ("all", truth[0])):
            write_tiff(files / side / f"{name}.tif", labels)
    read = json.loads(run("found", "true", "--json")[1])
    names = [row["slice"] for row in read["rows"]]
    assert sorted(names) == sorted(["a 0", *(f"a {z}" for z in range(4)), "all", "all"])
    assert read["true_positives"] == sum(row["true_positives"] for row in read["rows"][:-1])


def test_the_scores_are_printed_even_if_a_report_cannot_be_written(run, monkeypatch):
    def full(*_):
        raise UserError("the disk is full")

    monkeypatch.setattr("napari_utile.evaluation.reports.write.write_report", full)
    status, out, err = run("p.npy", "true.tif", "--out", "r.html", "--json")
    assert status == 2 and "full" in err
    assert "iou" in json.loads(out)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--out", "r.pdf"], "r.pdf: a report is"),
        (["--out", "there.csv"], "there.csv"),
        (["--error-layer", "true.tif", "--overwrite"], "true.tif is what is evaluated"),
        (["--threshold-slices", "0:1"], "ask for score thresholds, too"),
        (["--threshold-slices", "3"], "--threshold-slices: '3' are no slices"),
        (["--validation", "3"], "--threshold-slices: '3' are no slices"),
        (["--objects", "watershed", "--instance-method=watershed"], "give one of them"),
        (["--threshold-slices", "0:9", "--score-thresholds"], "slices 0:9 of 4"),
        (["--target", "classes", "--error-layer", "e.tif"], "no error layer"),
        (["--image", "small.tif", "--out", "r.html"], "small.tif"),
        (["--image", "nowhere.tif"], "nowhere.tif"),
        (["--error-layer", "e.png"], "e.png: the layer of errors is a .tif"),
        (["--error-layer", "e.tif", "--objects-csv", "e.tif"], "e.tif is named for two"),
        (["--out", "r.json,r.json"], "r.json is named for two"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_any_work(
    run, files, arguments, named, monkeypatch
):
    (files / "there.csv").write_text("mine")
    tifffile.imwrite(files / "small.tif", np.zeros((3, 4), np.uint8))
    monkeypatch.setattr(Stack, "read", lambda _: pytest.fail("read"))
    status, out, err = run("p.npy", "true.tif", *arguments)
    assert (status, out) == (2, "")
    assert named in err
    assert err.count("\n") == 1
    assert (files / "there.csv").read_text() == "mine"


def test_what_is_there_is_replaced_if_asked(run, files):
    (files / "there.csv").write_text("mine")
    assert run("p.npy", "true.tif", "--out", "there.csv", "--overwrite")[0] == 0
    assert (files / "there.csv").read_text().startswith("slice,iou")


def test_splits_and_merges_of_a_volume_are_listed(run, files):
    truth = np.zeros((8, 30, 30), np.uint16)
    truth[:, 5:15, 5:25], truth[:, 18:28, 5:25] = 3, 4
    prediction = truth.copy()
    prediction[5:, :16] *= 2
    write_tiff(files / "t.tif", truth)
    write_tiff(files / "p.tif", prediction)
    table = ["--splits-merges-csv", "s.csv"]
    status, out, err = run("p.tif", "t.tif", "--volumetric", "--out", "r.html", *table)
    assert status == 0 and "s.csv" in err.splitlines()
    assert (
        "split: true 3 is divided into predicted 3 (1,000 px) and 6 (600 px) at slice 5" in out
    )
    with (files / "s.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["kind"], row["slice"], row["faces"]) == ("split", "5", "200")
    assert "Splits and merges" in (files / "r.html").read_text()
    read = json.loads(run("p.tif", "t.tif", "--volumetric", "--json")[1])
    assert read["splits_merges"][0]["part_2"] == 6
    status, _, err = run("p.tif", "t.tif", *table, "--overwrite")
    assert status == 2 and "give volumetric, too" in err
