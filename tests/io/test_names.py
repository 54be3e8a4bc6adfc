"""Names of files and addresses."""

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.io.images import expand, open_image
from napari_utile.io.names import (
    composed,
    found_path,
    is_url,
    last_part,
    location,
    windows_problem,
)


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
@pytest.mark.parametrize("take", [expand, open_image])
def test_a_name_that_is_no_text_is_refused(tmp_path, take):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    Image.new("L", (4, 4)).save(path)
    with pytest.raises(UserError, match=r"caf\\xe9\.png: the name is not UTF-8"):
        take(path)


@pytest.mark.parametrize(
    ("name", "is_address"),
    [
        ("s3://bucket/a.zarr", True),
        (Path("https://host/a.zarr"), True),  # with one slash
        ("simplecache::https://host/a.zarr", True),
        ("C:/images/a.tif", False),
        (Path("images/a.tif"), False),
        ("images: new/a.tif", False),
    ],
)
def test_addresses_are_told_from_paths(name, is_address):
    assert is_url(name) == is_address
    if not is_address:
        assert location(name) == Path(name)


@pytest.mark.skipif(sys.platform == "win32", reason="names have no colon there")
@pytest.mark.parametrize(
    "name", ["data:/a.png", "data:/*.png", "s3://b/*/a*", "s3://b/c", "data:"]
)
def test_a_path_that_exists_is_no_address(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for folder in ("data:", "s3:/b/c"):
        Path(folder).mkdir(parents=True)
        Image.new("L", (4, 5)).save(Path(folder, "a.png"))
    assert not is_url(name)
    (found,) = expand(name)
    assert isinstance(found, Path)
    assert open_image(found).shape == (5, 4)
    assert is_url("s3://another/a.zarr")
    assert not is_url("data:/missing.png")


def test_an_address_that_was_a_path_has_both_slashes_again():
    assert location(Path("https://host/a.zarr")) == "https://host/a.zarr"
    assert location("s3://bucket//a") == "s3://bucket//a"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("NUL", "'NUL' is the name of a device"),
        ("com1.ome.tif", "'com1' is the name of a device"),
        ("aux .tif", "'aux' is the name of a device"),
        ("a:b.tif", "names have no ':'"),
        ("what?.tif", "names have no '?'"),
        ("cells.", "names end in no dot or blank"),
        ("cells ", "names end in no dot or blank"),
        ("console.tif", ""),
        ("com10.tif", ""),
        (".hidden", ""),
        ("Mäuse, 2. Versuch (neu).zarr", ""),
    ],
)
def test_names_that_windows_does_not_have(name, problem):
    assert windows_problem(name) == problem


@pytest.mark.parametrize(
    ("place", "last"),
    [
        ("https://host/b/a.zarr?key=x/y", "a.zarr"),
        ("https://host/b/a.zarr/", "a.zarr"),
        (Path("b/a?.zarr"), "a?.zarr"),
    ],
)
def test_the_last_part_of_a_place(place, last):
    assert last_part(place) == last


def test_a_decomposed_name_is_found_whichever_part_is_meant(tmp_path):
    stored = tmp_path / "Ma\u0308use" / "u\u0308.json"
    stored.parent.mkdir()
    stored.touch()
    asked = tmp_path / composed("Ma\u0308use") / composed("u\u0308.json")
    assert found_path(asked) == stored
    missing = asked.with_name("\u00e4.json")
    assert found_path(missing) == missing
