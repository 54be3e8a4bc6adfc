"""`utile predict`: one image or several, whole or in parts."""

import json

import pytest

from napari_utile.cli.main import main
from napari_utile.engine.prediction.resume import Execution
from napari_utile.events import RunStarted
from napari_utile.io.images import open_image
from tests.fixtures.commands import complaint, predict

# flags are settings


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
def test_where_a_prediction_is_made_is_a_flag(monkeypatch, tmp_path, flags, expected):
    seen = []
    (tmp_path / "m").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "napari_utile.engine.prediction.front.predict_files",
        lambda *given: seen.append(given[-1]) or (e for e in [RunStarted(job="predict")]),
    )
    monkeypatch.setattr("napari_utile.cli.predict.report", lambda run, *_: list(run) and 0)
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
    assert main(command) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["failed"] == [f"{images[0]}: {images[0]} is empty."]
    assert "bad.tif is left out" in err
    names = sorted(p.name for p in (tmp_path / "out").glob("[!.]*"))
    assert names == ["good.zarr", "summary.csv", "summary.json"]
    table = (tmp_path / "out" / "summary.csv").read_text().splitlines()
    assert [line.split(",")[4] for line in table] == ["status", "failed", "done"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())[0]["status"] == "failed"
    assert main([*command, "--skip-broken"]) == 0
    assert "bad.tif is left out" in capsys.readouterr().err
    assert main([*command[:3], "--out", str(tmp_path / "two"), "--skip-broken"]) == 2
