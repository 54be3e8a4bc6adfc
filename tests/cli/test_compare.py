"""`utile compare`: several networks side by side."""

import io
import json
import os
import signal
import sys

import pytest

from napari_utile.cli.compare import Compare
from napari_utile.cli.main import main
from napari_utile.errors import UserError
from napari_utile.events import RunStarted, parse_event
from napari_utile.settings.comparison import CompareSettings
from tests.fixtures.commands import FLAGS, complaint


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
        (
            ("--network", "unet"),
            "unrecognized arguments: --network unet; did you mean --networks? see --help.",
        ),
        (
            ("--seed", "3"),
            "unrecognized arguments: --seed 3; did you mean --seeds? see --help.",
        ),
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
