"""The list of all models of a user: what it shows, what it leaves out, and what it reads."""

import builtins
import io
import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from napari_utile.folders import catalogue as module
from napari_utile.folders.catalogue import INDEX, known_model, models_named, read_catalogue
from napari_utile.folders.model import DESCRIPTION, PARAMETERS_FILE
from napari_utile.folders.model_writing import write_name
from tests.fixtures.known_models import add_model


@pytest.fixture
def place(tmp_path):
    """Return a data folder with a model of a run, of a comparison, and an imported one."""
    place = tmp_path / "data"
    run = place / "runs" / "2026-11-30_14-03-07_em-1"
    model = add_model(run / "model", when=2, scores={"dice": 0.5, "iou": 0.011}, channels=3)
    (run / "previews").mkdir()
    for step in (7, 12):
        (run / "previews" / f"step_{step:06}.tif").touch()
    candidate = place / "comparisons" / "2026-11-30_15-00-00_em-1" / "unet-seed0" / "model"
    add_model(candidate, when=3, images="em 1, em 2", network="unet-3d", target="classes")
    (candidate.parents[1] / "validation").mkdir()
    own = add_model(place / "models" / "nuclei", when=1, name="Kerne", scores={"mean_iou": 0.8})
    description = json.loads((own / DESCRIPTION).read_text())
    (own / DESCRIPTION).write_text(json.dumps(description | {"covers": ["cover.png"]}))
    (own / "cover.png").touch()
    assert model.is_dir()
    return place


def test_every_kind_is_listed_newest_first(place):
    models, left_out = read_catalogue(place)
    assert left_out == []
    assert [(m.origin, m.name, m.images, m.score, m.value) for m in models] == [
        ("comparison", "em-1 unet-seed0", "em 1, em 2", "", None),
        ("run", "em-1", "em-1", "iou", 0.011),
        ("imported", "Kerne", "", "mean_iou", 0.8),
    ]
    volumes, slices, _ = models
    assert (volumes.axes, volumes.target, slices.axes, slices.channels) == (3, "classes", 2, 3)
    assert [m.thumbnail and m.thumbnail.name for m in models] == [
        None, "step_000012.tif", "cover.png",
    ]  # fmt: skip
    assert slices.date == datetime.fromtimestamp(2)
    assert slices.nbytes == sum(f.stat().st_size for f in slices.path.iterdir())
    assert known_model(slices.path.parent, place) == slices
    assert models_named("kerne", models) == models[2:]
    assert read_catalogue(place / "nowhere") == ([], [])
    assert not (place / "nowhere").exists()


def test_a_new_name_is_seen_and_the_date_stays(place):
    before = read_catalogue(place).models
    write_name(before[1].path, "Zellen")
    after = read_catalogue(place).models
    assert [model.name for model in after] == ["em-1 unet-seed0", "Zellen", "Kerne"]
    assert [model.date for model in after] == [model.date for model in before]


def half_written(folder):
    (folder / PARAMETERS_FILE).unlink()


def foreign(folder):
    (folder / DESCRIPTION).write_text("name: of the zoo")


def without_model(folder):
    for path in folder.iterdir():
        path.unlink()


def never_validated(folder):
    without_model(folder)
    folder.rmdir()


def cut_off(folder):
    (folder / DESCRIPTION).write_text('{"config": {"utile')


def damaged_index(folder):
    (folder.parents[2] / INDEX).write_text('{"version": 1')
    half_written(folder)


def lying_index(folder):
    """An index of another shape is not believed."""
    index = json.loads((folder.parents[2] / INDEX).read_text())
    for entry in index["models"].values():
        entry["says"] = {"network": 3}
    (folder.parents[2] / INDEX).write_text(json.dumps(index))
    half_written(folder)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (half_written, "holds no weights.pt"),
        (foreign, "not made by U-Tile"),
        (without_model, "is no model"),
        (never_validated, "none was saved in it yet"),
        (cut_off, "is not YAML"),
        (damaged_index, "holds no weights.pt"),
        (lying_index, "holds no weights.pt"),
    ],
)
def test_what_is_broken_is_left_out_with_the_reason(place, damage, reason):
    folder = read_catalogue(place).models[1].path
    damage(folder)
    for _ in range(2):  # the second time by way of the index
        models, ((path, said),) = read_catalogue(place)
        assert path == folder and reason in said
        assert [model.name for model in models] == ["em-1 unet-seed0", "Kerne"]


def test_of_many_models_only_those_that_changed_are_opened(place, monkeypatch):
    for i in range(30):
        add_model(place / "models" / f"m{i}", when=10 + i)
    assert len(read_catalogue(place).models) == 33
    opened = []
    true_open = io.open

    def counted(path, *args, **options):
        opened.append(Path(path).name)
        return true_open(path, *args, **options)

    for home, name in ((builtins, "open"), (io, "open")):
        monkeypatch.setattr(home, name, counted)
    assert len(read_catalogue(place).models) == 33
    assert opened == [INDEX]
    write_name(place / "models" / "m7", "other")
    opened.clear()
    assert "other" in [model.name for model in read_catalogue(place).models]
    assert [name for name in opened if not name.endswith(".draft")] == [INDEX, DESCRIPTION]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_data_folder_that_cannot_be_written_is_listed_all_the_same(place):
    place.chmod(0o500)
    assert len(read_catalogue(place).models) == 3
    place.chmod(0o700)
    assert not (place / module.INDEX).exists()
