"""Models get other names and are deleted, and nothing else is; not while they are in use."""

import shutil
from datetime import datetime

import pytest

from napari_utile.errors import UserError
from napari_utile.folders.catalogue import read_catalogue
from napari_utile.folders.comparison import ComparisonFolder
from napari_utile.folders.job import JobFolder, JobRecord
from napari_utile.folders.model import given_name
from napari_utile.folders.model_changes import delete_model, planned_deletion, rename_model
from napari_utile.folders.run import Run
from napari_utile.io.units import size_text
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.training import TrainSettings
from tests.fixtures.known_models import add_model


def write_run(folder):
    """Write a finished run with a file of each kind, and return its model."""
    model, run = add_model(folder / "model"), Run(folder)
    run.settings.write_text(TrainSettings().text())
    for part in (run.checkpoint, run.previews, run.inputs / "em.zarr"):
        part.mkdir(parents=True)
        (part / "file").write_bytes(bytes(100))
    for file in (run.events, run.data):
        file.write_bytes(bytes(50))
    (folder / ".model.1234").mkdir()  # the draft of a killed process
    return model


@pytest.fixture
def place(tmp_path):
    """Return a data folder with a run, a comparison with a run, and an imported model."""
    place = tmp_path / "data"
    write_run(place / "runs" / "a")
    write_run(place / "comparisons" / "c" / "unet-seed0")
    (place / "comparisons" / "c" / "settings.json").write_text(CompareSettings().text())
    add_model(place / "models" / "b")
    return place


def below(place):
    return {str(path.relative_to(place)) for path in place.rglob("*")}


@pytest.mark.parametrize("path", ["runs/a", "comparisons/c/unet-seed0", "models/b"])
def test_a_model_is_deleted_with_its_run_and_nothing_else(place, path):
    others = {name for name in below(place) if not name.startswith(path)}
    planned = planned_deletion(place / path)
    had = sum(f.stat().st_size for f in (place / path).rglob("*") if f.is_file())
    assert planned.nbytes == had and size_text(had) in planned.text
    assert delete_model(place / path, place) == planned
    assert {name for name in below(place) if not name.endswith(".lock")} == others


def test_what_the_user_put_into_the_run_stays(place):
    run = place / "runs" / "a"
    (run / "notes.txt").write_text("mine")
    delete_model(run / "model", place)
    assert [path.name for path in run.glob("[!.]*")] == ["notes.txt"]


def of_run(place):
    return Run(place / "comparisons" / "c" / "unet-seed0").locked()


def of_comparison(place):
    return ComparisonFolder(place / "comparisons" / "c").locked()


@pytest.mark.parametrize("lock", [of_run, of_comparison])
def test_a_model_whose_run_goes_on_is_left_alone(place, lock):
    path = place / "comparisons" / "c" / "unet-seed0"
    with lock(place):
        before = below(place)
        with pytest.raises(UserError, match="in use"):
            delete_model(path, place)
        with pytest.raises(UserError, match="in use"):
            rename_model(path, "other")
        assert below(place) >= before and given_name(path) == ""
    rename_model(path, "other")
    assert [m.name for m in read_catalogue(place).models if m.path == path / "model"] == [
        "other"
    ]


def test_a_model_that_segments_is_not_deleted(place):
    model = place / "models" / "b"
    job = JobFolder(place / "segmentations" / "j")
    record = {"title": "", "output": "", "out": place, "created": datetime(2026, 1, 1)}
    job.write(JobRecord(arguments=("predict", str(model), "em.tif"), **record))
    with job.held(), pytest.raises(UserError, match="used by a segmentation that runs"):
        delete_model(model, place)
    assert model.exists()
    delete_model(model, place)
    assert not model.exists()


def test_links_and_what_is_foreign_are_not_deleted(place, tmp_path):
    for linked, target in (("runs/l", "runs/a"), ("models/l", "models/b")):
        (place / linked).symlink_to(place / target)
        with pytest.raises(UserError, match="is a link"):
            delete_model(place / linked, place)
    other = tmp_path / "zoo"
    shutil.copytree(place / "models" / "b", other)
    (other / "bioimageio.yaml").write_text("name: of the zoo")
    with pytest.raises(UserError, match="not made by U-Tile"):
        delete_model(other, place)
    assert below(other) == {"bioimageio.yaml", "weights.pt"}
    assert len(read_catalogue(place).models) == 5
