"""Models as one file and back; and files of strangers, of which nothing is left."""

import stat
import zipfile

import numpy as np
import pytest
import yaml

from napari_utile.errors import UserError
from napari_utile.folders.catalogue import known_model, read_catalogue
from napari_utile.folders.model import DESCRIPTION, PARAMETERS_FILE
from napari_utile.folders.model_zip import export_model, import_model
from napari_utile.folders.thumbnails import thumbnail
from napari_utile.io.images import write_tiff
from tests.fixtures.known_models import PARAMETERS, add_model

WHEN = 1_700_000_000


@pytest.fixture
def model(tmp_path):
    """Return the model of a run whose preview is dark on the left, bright on the right."""
    model = add_model(tmp_path / "runs" / "em" / "model", when=WHEN, images="em")
    preview = np.repeat([[0, 1]], 64, 0).repeat(48, 1).astype(np.float32)
    (model.parent / "previews").mkdir()
    write_tiff(model.parent / "previews" / "step_000003.tif", preview, holds="probabilities")
    return model


@pytest.fixture
def exported(model, tmp_path):
    return export_model(model, tmp_path / "em 1.zip")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "data"


def test_what_is_exported_is_imported_with_date_and_picture(model, exported, place):
    with zipfile.ZipFile(exported) as archive:
        assert archive.namelist() == [DESCRIPTION, "cover.png", PARAMETERS_FILE]
        assert yaml.safe_load(archive.read(DESCRIPTION))["covers"] == ["cover.png"]
    folder = import_model(exported, place)
    assert folder == place / "models" / "em-1"
    assert (folder / PARAMETERS_FILE).read_bytes() == PARAMETERS
    (listed,), _ = read_catalogue(place)
    assert (listed.path, listed.name, listed.images) == (folder, "em 1", "em")
    assert abs(listed.date.timestamp() - WHEN) <= 2  # zip counts in two seconds
    picture = thumbnail(listed.thumbnail, 4)
    np.testing.assert_array_equal(picture[..., 0], [[0, 0, 255, 255]] * 4)
    assert not (model / "cover.png").exists()  # the model itself stays as it is


def test_a_folder_is_copied_under_the_name_that_is_given(model, place):
    assert import_model(model.parent, place).name == "em"
    folder = import_model(model.parent, place, "Zellen, groß")
    assert folder.name == "Zellen-groß"
    assert import_model(folder, place).name == "Zellen-groß_2"
    listed = read_catalogue(place).models
    assert sorted(m.name for m in listed) == ["Zellen, groß", "Zellen, groß", "em"]
    assert all(m.date.timestamp() == WHEN and m.thumbnail for m in listed)


def test_an_export_is_overwritten_if_that_is_meant(model, exported, tmp_path):
    with pytest.raises(UserError, match="exists; overwrite replaces it"):
        export_model(model, exported)
    assert export_model(model, exported, overwrite=True) == exported
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", b"\0")
    with pytest.raises(UserError, match="no output of U-Tile"):
        export_model(model, tmp_path / "other.zip", overwrite=True)
    with pytest.raises(UserError, match=r"exported as \.zip"):
        export_model(model, tmp_path / "model.tif")


def test_changed_parameters_are_neither_exported_nor_imported(model, tmp_path, place):
    (model / PARAMETERS_FILE).write_bytes(b"others")
    with pytest.raises(UserError, match="damaged or was changed"):
        export_model(model, tmp_path / "model.zip")
    with pytest.raises(UserError, match=r"damaged or was changed.* Nothing was imported"):
        import_model(model, place)
    assert read_catalogue(place) == ([], [])


def entry(name, mode=stat.S_IFREG):
    found = zipfile.ZipInfo(name)
    found.external_attr = mode << 16
    return found


def pack(model, path, entries, inside=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in model.iterdir():
            archive.write(file, inside + file.name)
        for name in entries:
            archive.writestr(name, "x")
    return path


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["../evil"], "outside of its folder"),
        (["/evil"], "outside of its folder"),
        (["a\\..\\evil"], "outside of its folder"),
        (["C:evil"], "no name of a file"),
        ([entry("link", stat.S_IFLNK)], "is a link"),
        (["WEIGHTS.PT"], "two files of the same name"),
        ([str(i) for i in range(1000)], "more than a model has"),
    ],
)
def test_an_archive_that_would_write_elsewhere_leaves_nothing(
    model, tmp_path, place, more, reason
):
    path = pack(model, tmp_path / "a.zip", more)
    before = {*tmp_path.rglob("*")}
    with pytest.raises(UserError, match=rf"a\.zip holds .*{reason}.* Nothing was imported\.$"):
        import_model(path, place)
    left = {*tmp_path.rglob("*")} - before
    assert left == {place, place / "models"}


def test_only_what_lies_beside_the_description_is_unpacked(model, tmp_path, place):
    more = ["em/.DS_Store", "__MACOSX/em/._weights.pt", "em/old/bioimageio.yaml", "other"]
    folder = import_model(pack(model, tmp_path / "a.zip", more, inside="em/"), place)
    assert {p.name for p in folder.iterdir()} == {DESCRIPTION, PARAMETERS_FILE}


def test_what_is_no_model_of_ours_is_said_in_a_sentence(model, exported, tmp_path, place):
    (tmp_path / "text.zip").write_text("no archive")
    zoo = tmp_path / "zoo.zip"
    with zipfile.ZipFile(zoo, "w") as archive:
        archive.writestr(DESCRIPTION, "name: of the zoo")
    cut = tmp_path / "cut.zip"
    content = bytearray(exported.read_bytes())
    content[content.index(PARAMETERS)] ^= 1  # the sum in the archive is another then
    cut.write_bytes(content)
    for path, reason in (
        (tmp_path / "text.zip", "is no model: choose a .zip"),
        (tmp_path / "nowhere.zip", "does not exist"),
        (pack(tmp_path / "runs", tmp_path / "empty.zip", []), "holds no bioimageio.yaml"),
        (zoo, "zoo.zip is a model, but was not made by U-Tile. Nothing"),
        (cut, "cut.zip is damaged"),
        (tmp_path / "runs", "is no model"),
    ):
        with pytest.raises(UserError) as refused:
            import_model(path, place)
        assert reason in str(refused.value)
    assert read_catalogue(place).models == []


def test_a_model_is_listed_without_a_picture_it_does_not_have(model, place):
    assert known_model(model, place).thumbnail.name == "step_000003.tif"
    (model.parent / "previews" / "step_000003.tif").unlink()
    assert known_model(model, place).thumbnail is None
